package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"strconv"
)

// fuzz prints random objects of random kinds with what becomes of them.
func fuzz(seed int64, count int, w io.Writer) error {
	g := generator{rand.New(rand.NewSource(seed))}
	kinds := builtInKinds()
	for range count {
		gvk := kinds[g.Intn(len(kinds))]
		// Most objects fit, so that their other fields are compared.
		odds := []int{0, 0, 0, 400, 60}[g.Intn(5)]
		object := g.structure(goType(gvk), 9, odds)
		if metadata, _ := object["metadata"].(map[string]any); g.Intn(20) > 0 || metadata != nil {
			object["metadata"] = map[string]any{"name": "x"}
		}
		input, err := json.Marshal(named(object, gvk))
		if err != nil {
			return err
		}
		line, err := answer(input)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

type generator struct{ *rand.Rand }

func (g generator) pick(choices ...string) string { return choices[g.Intn(len(choices))] }

func (g generator) structure(t reflect.Type, depth, odds int) map[string]any {
	fields, err := fieldsOf(t)
	if err != nil {
		panic(err)
	}
	object := map[string]any{}
	for _, field := range fields {
		if g.Intn(100) < 45 {
			object[field.name] = g.value(field.Type, depth-1, odds)
		}
	}
	if g.Intn(12) == 0 {
		object[g.pick("unknown", "Spec", "NAME", "status", "metadata", "name")] = raw(g.pick(values...))
	}
	return object
}

func (g generator) value(t reflect.Type, depth, odds int) any {
	if odds > 0 && g.Intn(odds) == 0 {
		return raw(g.pick(values...))
	}
	if g.Intn(12) == 0 {
		return nil
	}
	if name, ok := special[t]; ok {
		return g.leaf(name, odds)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), depth, odds)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return g.leaf("bytes", odds)
		}
		items := []any{}
		for range g.size(depth) {
			items = append(items, g.value(t.Elem(), depth-1, odds))
		}
		return items
	case reflect.Map:
		entries := map[string]any{}
		for i := range g.size(depth) {
			entries["k"+strconv.Itoa(i)] = g.value(t.Elem(), depth-1, odds)
		}
		return entries
	case reflect.Struct:
		if depth <= 0 {
			return map[string]any{}
		}
		return g.structure(t, depth, odds)
	}
	return g.leaf(t.Kind().String(), odds)
}

func (g generator) size(depth int) int {
	if depth <= 0 {
		return 0
	}
	return []int{0, 1, 1, 2}[g.Intn(4)]
}

func (g generator) leaf(name string, odds int) any {
	if g.Intn(6) == 0 {
		return zeroLeaves[name]
	}
	fits := odds == 0 || g.Intn(3) > 0
	switch name {
	case "string":
		return g.pick("a", "Always", "x-y", "é\u2028<&>", " ", "5", "true")
	case "bool":
		return g.Intn(2) == 0
	case "int32", "int64":
		return raw(g.pick("1", "-1", "80", "2.0", "1e2", "4294967376", "9223372036854775807", strconv.FormatInt(g.Int63()-g.Int63(), 10)))
	case "bytes":
		return g.pick("eA==", "eB==", "eHg=", "e\nHh4")
	case "quantity":
		if !fits {
			return g.pick(quantities...)
		}
		if g.Intn(5) == 0 {
			return raw(g.pick("0", "1", "1.5", "1e3", "0.0001", "1000", "12345678901", "1e21", "1e-7"))
		}
		digits := strconv.FormatInt(g.Int63()>>g.Intn(63), 10)
		at := g.Intn(len(digits) + 1)
		return g.pick("", "-", "+") + digits[:at] + g.pick("", ".", "0") + digits[at:] + g.pick("", "", "", "0", "000") + g.pick("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-3", "e7", "e-12")
	case "intorstring":
		return raw(g.pick("1", "80", "-5", "3.0", `"http"`, `"25%"`, `"5"`))
	case "raw":
		return raw(g.pick("{}", "[]", `"x"`, "5", "1.0", "true", `{"a":[1.0,1e21,{"b":null}],"c":-0.0}`))
	case "time":
		if !fits {
			return g.pick(times...)
		}
		return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d%s%s", g.Intn(10000), 1+g.Intn(12), 1+g.Intn(28), g.Intn(24), g.Intn(60), g.Intn(60),
			g.pick("", ".5", ",25", ".123456789123"), g.pick("Z", "+00:00", "-05:30", "+14:00", "+23:59", "-23:59"))
	}
	if !fits {
		return g.pick(microtimes...)
	}
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06d%s", g.Intn(10000), 1+g.Intn(12), 1+g.Intn(28), g.Intn(24), g.Intn(60), g.Intn(60),
		g.Intn(1000000), g.pick("Z", "+00:00", "-05:30", "+14:00"))
}
