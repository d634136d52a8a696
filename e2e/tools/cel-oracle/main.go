// Command cel-oracle writes what Flux makes of CEL expressions.
//
// It reads cases from standard input, one JSON object a line, and writes the same lines with the results. The first line has
// the objects that the expressions are about, by their names.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/runtime/cel"
	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type testCase struct {
	Expr string `json:"expr"`
	// Object is what the expression is about: its fields are variables.
	Object string `json:"object,omitempty"`
	// Checked expressions have the variables self and dep, and must be true or false.
	Checked bool   `json:"checked,omitempty"`
	Refused string `json:"refused,omitempty"`
	Failed  string `json:"failed,omitempty"`
	Value   string `json:"value,omitempty"`
	// Differs is what ours answers instead, on purpose.
	Differs string `json:"differs,omitempty"`
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	objects := map[string]map[string]any{}
	for first := true; input.Scan(); first = false {
		if first {
			raw := map[string]json.RawMessage{}
			check(json.Unmarshal(input.Bytes(), &raw))
			for name, text := range raw {
				// Numbers become what they become in the controllers.
				object := unstructured.Unstructured{}
				check(object.UnmarshalJSON(text))
				objects[name] = object.Object
			}
			continue
		}
		var c testCase
		check(json.Unmarshal(input.Bytes(), &c))
		c.Refused, c.Failed, c.Value = evaluate(c, objects)
		encoder := json.NewEncoder(output)
		encoder.SetEscapeHTML(false)
		check(encoder.Encode(c))
	}
	check(input.Err())
}

func evaluate(c testCase, objects map[string]map[string]any) (refused, failed, value string) {
	defer func() {
		if reason := recover(); reason != nil {
			refused, failed, value = fmt.Sprintf("panic: %v", reason), "", ""
		}
	}()
	vars := objects[c.Object]
	var opts []cel.Option
	if c.Checked {
		vars = map[string]any{"self": objects["self"], "dep": objects[c.Object]}
		opts = []cel.Option{
			cel.WithCompile(), cel.WithOutputType(celgo.BoolType), cel.WithStructVariables("self", "dep"),
		}
	}
	expr, err := cel.NewExpression(c.Expr, opts...)
	if err != nil {
		return err.Error(), "", ""
	}
	if c.Checked {
		result, err := expr.EvaluateBoolean(context.Background(), vars)
		if err != nil {
			return "", err.Error(), ""
		}
		return "", "", fmt.Sprint(result)
	}
	result, err := expr.Evaluate(context.Background(), vars)
	if err != nil {
		return "", err.Error(), ""
	}
	return "", "", types.Format(types.DefaultTypeAdapter.NativeToValue(result))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
