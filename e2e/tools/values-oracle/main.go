// Command values-oracle says what Helm's --set flags make of values.
//
// It reads cases as JSON values from standard input, one after the other, and writes one JSON result per case: the
// values, or the error of the first flag that fails.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"
)

// Case is a values file and flags that are applied to it in order.
type Case struct {
	Values string      `json:"values"`
	Flags  [][2]string `json:"flags"`
}

// Result is the values in the notation of show, or an error.
type Result struct {
	Values any    `json:"values"`
	Error  string `json:"error,omitempty"`
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	results := json.NewEncoder(out)
	results.SetEscapeHTML(false)
	cases := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for cases.More() {
		var c Case
		if err := cases.Decode(&c); err != nil {
			fmt.Fprintln(os.Stderr, "values-oracle:", err)
			os.Exit(1)
		}
		if err := results.Encode(run(c)); err != nil {
			fmt.Fprintln(os.Stderr, "values-oracle:", err)
			os.Exit(1)
		}
	}
}

func run(c Case) (result Result) {
	defer func() {
		if problem := recover(); problem != nil {
			result = Result{Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	values, err := loader.LoadValues(strings.NewReader(c.Values))
	if err != nil {
		return Result{Error: err.Error()}
	}
	if values == nil {
		values = map[string]any{}
	}
	for _, flag := range c.Flags {
		if err := apply(flag[0], flag[1], values); err != nil {
			if flag[0] == "set-json" {
				// Helm does not show what is wrong with it.
				return Result{Error: "JSON"}
			}
			return Result{Error: err.Error()}
		}
	}
	return Result{Values: show(values)}
}

func apply(kind, argument string, values map[string]any) error {
	switch kind {
	case "set":
		return strvals.ParseInto(argument, values)
	case "set-string":
		return strvals.ParseIntoString(argument, values)
	case "set-json":
		return strvals.ParseJSON(argument, values)
	case "set-literal":
		return strvals.ParseLiteralInto(argument, values)
	case "set-file":
		return strvals.ParseIntoFile(argument, values, func(name []rune) (any, error) {
			return "<" + string(name) + ">", nil
		})
	}
	return fmt.Errorf("there is no flag %q", kind)
}

// show writes a value with the Go types of its scalars.
func show(value any) any {
	switch value := value.(type) {
	case map[string]any:
		shown := map[string]any{}
		for key, entry := range value {
			shown[key] = show(entry)
		}
		return shown
	case []any:
		shown := []any{}
		for _, item := range value {
			shown = append(shown, show(item))
		}
		return shown
	case string:
		return "string " + value
	case float64:
		return "float64 " + strconv.FormatFloat(value, 'g', -1, 64)
	case nil:
		return nil
	default:
		return fmt.Sprintf("%T %v", value, value)
	}
}
