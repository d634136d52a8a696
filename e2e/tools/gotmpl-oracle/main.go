// Command gotmpl-oracle says what Go's text/template makes of templates.
//
// Without arguments it reads cases as JSON values from standard input, one after the other, and
// writes one JSON result per case. With the argument "unicode" it writes the character classes of
// compat/gotmpl as Rust source.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

// Case is a template with its data. Strings are bytes: each character stands for one byte.
type Case struct {
	// Files are parsed in order, each as a template of the set.
	Files [][2]string `json:"files"`
	// Execute is the template to run; the first file if empty.
	Execute string `json:"execute"`
	// Data is the dot, in the typed notation of decode.
	Data       any    `json:"data"`
	MissingKey string `json:"missingkey"`
	Left       string `json:"left"`
	Right      string `json:"right"`
}

// Result is the output, or the error and what was written before it.
type Result struct {
	Output string `json:"output"`
	Error  string `json:"error,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "unicode" {
		writeUnicodeTables(os.Stdout)
		return
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	results := json.NewEncoder(out)
	results.SetEscapeHTML(false)
	cases := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for cases.More() {
		var c Case
		if err := cases.Decode(&c); err != nil {
			fmt.Fprintln(os.Stderr, "gotmpl-oracle:", err)
			os.Exit(1)
		}
		output, err := run(c)
		result := Result{Output: toLatin(output)}
		if err != nil {
			result.Error = toLatin([]byte(err.Error()))
		}
		if err := results.Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, "gotmpl-oracle:", err)
			os.Exit(1)
		}
	}
}

func run(c Case) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	var buf bytes.Buffer
	set := template.New("set").Delims(fromLatin(c.Left), fromLatin(c.Right)).Funcs(funcs(nil))
	if c.MissingKey != "" {
		set.Option("missingkey=" + c.MissingKey)
	}
	set.Funcs(funcs(set))
	for _, file := range c.Files {
		if _, err := set.New(fromLatin(file[0])).Parse(fromLatin(file[1])); err != nil {
			return nil, err
		}
	}
	name := c.Execute
	if name == "" {
		name = c.Files[0][0]
	}
	err = set.ExecuteTemplate(&buf, fromLatin(name), decode(c.Data))
	return buf.Bytes(), err
}

// toLatin turns every byte into the character of that number, so that JSON keeps all of them.
func toLatin(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

func fromLatin(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
	}
	return b.String()
}
