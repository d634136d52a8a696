package main

import (
	"math/rand"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
)

// ignoreCase is a text of rules, and what they say about paths.
type ignoreCase struct {
	Rules string `json:"rules"`
	// Domain is the directory that the rules are about.
	Domain []string `json:"domain"`
	// Archive says that the rules are those of an artifact: with what is never in one, or with the defaults.
	Archive bool      `json:"archive"`
	Paths   []verdict `json:"paths"`
}

type verdict struct {
	Path      string `json:"path"`
	Directory bool   `json:"directory"`
	Ignored   bool   `json:"ignored"`
}

var (
	names = []string{
		"a", "b", "c", "ab", "a.txt", "b.txt", "a b", "a ", "#a", "!a", "[a]", "a*", "ä", "日本", ".git", ".github",
		".sops.yaml", "logo.png", "x.tar.gz", "README.md", "deploy", ".sourceignore", "a-b", "A",
	}
	pieces = []string{
		"*", "**", "?", "a", "b", "c", "a*", "*b", "*.txt", "[ab]", "[^a]", "[a", "\\", "\\a", "a\\ ", "***", "a**", "**a", "", "ä",
		"日*", ".git", "deploy", "*.png", "a b", "a.txt", "[]", "[a-]", "[!a]", "README.md", "#a", "\\#a", "\\!a", ".",
	}
)

func pick(random *rand.Rand, from []string) string { return from[random.Intn(len(from))] }

func rules(random *rand.Rand, most int) string {
	var text strings.Builder
	for range random.Intn(most + 1) {
		if random.Intn(4) == 0 {
			text.WriteString("!")
		}
		if random.Intn(4) == 0 {
			text.WriteString("/")
		}
		for at := range 1 + random.Intn(3) {
			if at > 0 {
				text.WriteString("/")
			}
			text.WriteString(pick(random, pieces))
		}
		text.WriteString(pick(random, []string{"", "", "", "/", "/", " ", "  ", "/ ", "\t", "\r"}))
		text.WriteString(pick(random, []string{"\n", "\n", "\n", "\r\n", "\n\n", "\n# b\n", "\n \n"}))
	}
	return text.String()
}

func ignored(random *rand.Rand) (any, error) {
	result := ignoreCase{Rules: rules(random, 6), Domain: []string{}, Archive: random.Intn(3) == 0}
	if !result.Archive && random.Intn(3) == 0 {
		for range 1 + random.Intn(2) {
			result.Domain = append(result.Domain, pick(random, names))
		}
	}
	patterns := sourceignore.ReadPatterns(strings.NewReader(result.Rules), result.Domain)
	matcher := matcherOf(patterns, result.Archive)
	for range 6 {
		path := []string{}
		if random.Intn(2) == 0 {
			path = append(path, result.Domain...)
		}
		for range 1 + random.Intn(4) {
			path = append(path, pick(random, names))
		}
		directory := random.Intn(2) == 0
		result.Paths = append(result.Paths, verdict{strings.Join(path, "/"), directory, matcher.Match(path, directory)})
	}
	return result, nil
}

// matcherOf is the choice that fluxcd/pkg/artifact makes in SourceIgnoreFilter.
func matcherOf(patterns []gitignore.Pattern, archive bool) gitignore.Matcher {
	if !archive {
		return sourceignore.NewMatcher(patterns)
	}
	if len(patterns) == 0 {
		return sourceignore.NewDefaultMatcher(nil, nil)
	}
	return sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), patterns...))
}
