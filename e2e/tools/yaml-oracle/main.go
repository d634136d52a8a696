// Command yaml-oracle answers what the Go libraries make of an input.
//
// Without arguments it reads one JSON request per line, {"do": NAME, "input": BASE64}, and writes one JSON answer per
// line, {"out": TEXT} or {"err": TEXT}. With the path of a folder of topics it answers the inputs.json of each topic into
// expected.jsonl beside it.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	yaml3 "go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	sigs "sigs.k8s.io/yaml"
)

type request struct {
	Do    string `json:"do"`
	Input []byte `json:"input"`
}

type answer struct {
	Out *string `json:"out,omitempty"`
	Err *string `json:"err,omitempty"`
}

var functions = map[string]func([]byte) (string, error){
	"nodes":          nodes,
	"first":          first,
	"print":          func(in []byte) (string, error) { return printFirst(in, true) },
	"print-wide":     func(in []byte) (string, error) { return printFirst(in, false) },
	"kyaml-json":     kyamlJSON,
	"kustomize":      kustomize,
	"sigs-json":      func(in []byte) (string, error) { return text(sigs.YAMLToJSON(in)) },
	"sigs-strict":    func(in []byte) (string, error) { return text(sigs.YAMLToJSONStrict(in)) },
	"sigs-any":       sigsAny,
	"sigs-strings":   sigsStrings,
	"sigs-print":     sigsPrint,
	"json-to-yaml":   func(in []byte) (string, error) { return text(sigs.JSONToYAML(in)) },
	"json":           func(in []byte) (string, error) { return jsonWith(in, true, "") },
	"json-raw":       func(in []byte) (string, error) { return jsonWith(in, false, "") },
	"json-indent":    func(in []byte) (string, error) { return jsonWith(in, true, "  ") },
	"pretty":         pretty,
	"unmarshal-json": unmarshalJSON,
}

func main() {
	if len(os.Args) > 1 {
		if err := record(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var req request
		if err := json.Unmarshal(line, &req); err != nil {
			panic(err)
		}
		data, err := json.Marshal(run(req))
		if err != nil {
			panic(err)
		}
		out.Write(append(data, '\n'))
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}

func run(req request) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			message := fmt.Sprintf("panic: %v", r)
			a = answer{Err: &message}
		}
	}()
	out, err := functions[req.Do](req.Input)
	if err != nil {
		message := err.Error()
		return answer{Err: &message}
	}
	return answer{Out: &out}
}

type topic struct {
	Requests []string `json:"requests"`
	Inputs   []input  `json:"inputs"`
}

// input is a text, or {"hex": ...} for bytes that are none.
type input struct {
	raw  json.RawMessage
	data []byte
}

func (i *input) UnmarshalJSON(raw []byte) error {
	i.raw = bytes.Clone(raw)
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		i.data = []byte(plain)
		return nil
	}
	var coded struct {
		Hex string `json:"hex"`
	}
	if err := json.Unmarshal(raw, &coded); err != nil {
		return err
	}
	var err error
	i.data, err = hex.DecodeString(coded.Hex)
	return err
}

func record(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*", "inputs.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var t topic
		if err := json.Unmarshal(data, &t); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		for _, in := range t.Inputs {
			answers := map[string]answer{}
			for _, do := range t.Requests {
				answers[do] = run(request{do, in.data})
			}
			line := struct {
				Input   json.RawMessage   `json:"input"`
				Answers map[string]answer `json:"answers"`
			}{in.raw, answers}
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), "expected.jsonl"), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func text(out []byte, err error) (string, error) { return string(out), err }

// nodes lists the node trees of all documents, one node per line.
func nodes(in []byte) (string, error) {
	var out strings.Builder
	decoder := yaml3.NewDecoder(bytes.NewReader(in))
	for {
		var doc yaml3.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		dump(&out, &doc, 0)
	}
}

// first lists the nodes of the first document.
func first(in []byte) (string, error) {
	var doc yaml3.Node
	if err := yaml3.Unmarshal(in, &doc); err != nil {
		return "", err
	}
	var out strings.Builder
	if doc.Kind != 0 {
		dump(&out, &doc, 0)
	}
	return out.String(), nil
}

func dump(out *strings.Builder, n *yaml3.Node, depth int) {
	out.WriteString(strings.Repeat(" ", depth))
	if n.Kind == yaml3.DocumentNode {
		out.WriteString("document")
	} else {
		fmt.Fprintf(out, "%d:%d kind=%d style=%d %s %s", n.Line, n.Column, n.Kind, n.Style, n.Tag, jsonString(n.Value))
		if n.Anchor != "" {
			out.WriteString(" &" + n.Anchor)
		}
	}
	for _, c := range []struct{ name, text string }{{"head", n.HeadComment}, {"line", n.LineComment}, {"foot", n.FootComment}} {
		if c.text != "" {
			out.WriteString(" " + c.name + "=" + jsonString(c.text))
		}
	}
	out.WriteByte('\n')
	for _, child := range n.Content {
		dump(out, child, depth+1)
	}
}

func jsonString(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// printFirst prints the first document again, as kyaml does where compact is set.
func printFirst(in []byte, compact bool) (string, error) {
	var doc yaml3.Node
	if err := yaml3.Unmarshal(in, &doc); err != nil {
		return "", err
	}
	if doc.Kind == 0 {
		return "", nil
	}
	return encode(&doc, compact)
}

func encode(value any, compact bool) (string, error) {
	var out bytes.Buffer
	encoder := yaml3.NewEncoder(&out)
	encoder.SetIndent(2)
	if compact {
		encoder.CompactSeqIndent()
	}
	err := encoder.Encode(value)
	return out.String(), err
}

func kyamlJSON(in []byte) (string, error) {
	node, err := kyaml.Parse(string(in))
	if err != nil {
		return "", err
	}
	return text(node.MarshalJSON())
}

func kustomize(in []byte) (string, error) {
	data, err := kyamlJSON(in)
	if err != nil {
		return "", err
	}
	return text(sigs.JSONToYAML([]byte(data)))
}

func sigsAny(in []byte) (string, error) {
	var value any
	if err := sigs.Unmarshal(in, &value); err != nil {
		return "", err
	}
	return text(json.Marshal(value))
}

func sigsStrings(in []byte) (string, error) {
	var value map[string]string
	if err := sigs.Unmarshal(in, &value); err != nil {
		return "", err
	}
	return text(json.Marshal(value))
}

// exact decodes JSON and keeps integers.
func exact(in []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(in))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return numbers(value), nil
}

func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(string(value), 10, 64); err == nil {
			return u
		}
		f, err := value.Float64()
		if err != nil {
			panic(err)
		}
		return f
	case []any:
		for i := range value {
			value[i] = numbers(value[i])
		}
	case map[string]any:
		for k := range value {
			value[k] = numbers(value[k])
		}
	}
	return value
}

func sigsPrint(in []byte) (string, error) {
	value, err := exact(in)
	if err != nil {
		return "", err
	}
	return text(sigs.Marshal(value))
}

func pretty(in []byte) (string, error) {
	value, err := exact(in)
	if err != nil {
		return "", err
	}
	return encode(value, false)
}

func jsonWith(in []byte, html bool, indent string) (string, error) {
	value, err := exact(in)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(html)
	encoder.SetIndent("", indent)
	err = encoder.Encode(value)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// unmarshalJSON lists the nodes that kyaml makes from JSON.
func unmarshalJSON(in []byte) (string, error) {
	var node kyaml.RNode
	if err := node.UnmarshalJSON(in); err != nil {
		return "", err
	}
	return node.String()
}
