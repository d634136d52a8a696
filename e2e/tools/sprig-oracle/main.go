// Command sprig-oracle says what Helm's template functions and Go's regexp package do.
//
//	sprig-oracle record DIR...    writes expected.txt beside every input.txt below the folders, and names.txt in those that have one
//	sprig-oracle eval [VALUES]    reads templates from standard input, one a line, prints one result a line
//	sprig-oracle names            prints the names of all functions
//	sprig-oracle fuzz SEED N DIR  writes N generated calls and what they give as a case folder
//
// An input.txt holds one template a line, run with values.yaml of its folder as dot. A result is `= ` and the output, or `! ` and the
// error, as a quoted Go string. In a folder with a file called `regexp`, a line holds quoted Go strings apart by tabs: pattern, text,
// replacement.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/template"
	_ "unsafe"

	_ "helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

//go:linkname helmFuncMap helm.sh/helm/v4/pkg/engine.funcMap
func helmFuncMap() template.FuncMap

var functions = func() template.FuncMap {
	funcs := helmFuncMap()
	// These need a chart; the crate `helm` brings them.
	for _, name := range []string{"include", "tpl", "required", "lookup"} {
		delete(funcs, name)
	}
	// Off unless asked for, in Helm.
	funcs["getHostByName"] = func(string) string { return "" }
	return funcs
}()

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sprig-oracle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: sprig-oracle record DIR... | eval [VALUES] | names | fuzz SEED N DIR")
	}
	switch args[0] {
	case "record":
		for _, dir := range args[1:] {
			if err := record(dir); err != nil {
				return err
			}
			names := filepath.Join(dir, "names.txt")
			if _, err := os.Stat(names); err == nil {
				if err := os.WriteFile(names, []byte(allNames()), 0o644); err != nil {
					return err
				}
			}
		}
		return nil
	case "eval":
		values := ""
		if len(args) > 1 {
			values = args[1]
		}
		return evalLines(os.Stdin, os.Stdout, values)
	case "fuzz":
		if len(args) != 4 {
			return errors.New("usage: sprig-oracle fuzz SEED N DIR")
		}
		return fuzz(args[1], args[2], args[3])
	case "names":
		fmt.Print(allNames())
		return nil
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// allNames lists the functions, one a line.
func allNames() string {
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name+"\n")
	}
	sort.Strings(names)
	return strings.Join(names, "")
}

func record(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "input.txt" {
			return err
		}
		dir := filepath.Dir(path)
		input, err := os.Open(path)
		if err != nil {
			return err
		}
		defer input.Close()
		var out bytes.Buffer
		if _, statErr := os.Stat(filepath.Join(dir, "regexp")); statErr == nil {
			err = regexpLines(input, &out)
		} else {
			values := filepath.Join(dir, "values.yaml")
			if _, statErr := os.Stat(values); statErr != nil {
				values = ""
			}
			err = evalLines(input, &out, values)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return os.WriteFile(filepath.Join(dir, "expected.txt"), out.Bytes(), 0o644)
	})
}

func lines(in *os.File, each func(line string) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		if err := each(scanner.Text()); err != nil {
			return err
		}
	}
	return scanner.Err()
}

func evalLines(in *os.File, out interface{ Write([]byte) (int, error) }, valuesFile string) error {
	var text []byte
	if valuesFile != "" {
		var err error
		if text, err = os.ReadFile(valuesFile); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriter(out)
	defer buffered.Flush()
	return lines(in, func(line string) error {
		// A template may change its values, so each gets fresh ones.
		values := map[string]any{}
		if err := yaml.Unmarshal(text, &values); err != nil {
			return err
		}
		output, err := eval(line, values)
		if err != nil {
			fmt.Fprintln(buffered, "!", strconv.Quote(err.Error()))
		} else {
			fmt.Fprintln(buffered, "=", strconv.Quote(output))
		}
		return buffered.Flush()
	})
}

func eval(text string, values map[string]any) (string, error) {
	t, err := template.New("t").Option("missingkey=zero").Funcs(functions).Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

func regexpLines(in *os.File, out *bytes.Buffer) error {
	return lines(in, func(line string) error {
		var fields [3]string
		for i, field := range strings.SplitN(line, "\t", 3) {
			text, err := strconv.Unquote(field)
			if err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
			fields[i] = text
		}
		re, err := regexp.Compile(fields[0])
		if err != nil {
			fmt.Fprintln(out, "!", strconv.Quote(err.Error()))
			return nil
		}
		text, replacement := fields[1], fields[2]
		fmt.Fprintf(out, "= all=%v two=%v groups=%v replaced=%s literal=%s split=%s split2=%s\n",
			re.FindAllStringIndex(text, -1), re.FindAllStringIndex(text, 2), re.FindStringSubmatchIndex(text),
			ascii(re.ReplaceAllString(text, replacement)), ascii(re.ReplaceAllLiteralString(text, replacement)),
			asciiList(re.Split(text, -1)), asciiList(re.Split(text, 2)))
		return nil
	})
}

// ascii quotes bytes so that no table of printable characters matters.
func ascii(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "\\x%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func asciiList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = ascii(s)
	}
	return "[" + strings.Join(quoted, " ") + "]"
}
