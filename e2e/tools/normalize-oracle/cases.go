package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// record writes the case files: objects of every kind, values of every kind at every kind of place, a wrong value at
// every field, and what is written by hand, whose inputs are kept.
func record(dir string) error {
	for _, file := range []struct {
		name   string
		inputs func() ([][]byte, error)
	}{
		{"kinds.jsonl", everyKind},
		{"values.jsonl", everyPlace},
		{"wrong.jsonl", everyField},
		{"written.jsonl", func() ([][]byte, error) { return written(filepath.Join(dir, "written.jsonl")) }},
	} {
		inputs, err := file.inputs()
		if err != nil {
			return err
		}
		var lines bytes.Buffer
		for _, input := range inputs {
			line, err := answer(input)
			if err != nil {
				return err
			}
			lines.Write(line)
			lines.WriteByte('\n')
		}
		if err := os.WriteFile(filepath.Join(dir, file.name), lines.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// written reads the inputs of a case file.
func written(path string) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var inputs [][]byte
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line recorded
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Bytes(), err)
		}
		inputs = append(inputs, line.In)
	}
	return inputs, lines.Err()
}

// everyKind has each kind with nothing in it, and each struct once with nulls, once with zeros and once filled.
func everyKind() ([][]byte, error) {
	var inputs [][]byte
	add := func(object map[string]any) error {
		input, err := json.Marshal(object)
		inputs = append(inputs, input)
		return err
	}
	kinds := builtInKinds()
	for _, gvk := range kinds {
		if err := add(named(map[string]any{}, gvk)); err != nil {
			return nil, err
		}
	}
	for _, filling := range []filling{nulls, zeros, full} {
		b := builder{filling: filling, spelled: map[reflect.Type]bool{}}
		for _, gvk := range kinds {
			object, err := b.object(gvk)
			if err != nil {
				return nil, err
			}
			if err := add(object); err != nil {
				return nil, err
			}
		}
	}
	return inputs, nil
}

// place is a field of a kind, with the way to it.
type place struct {
	gvk  schema.GroupVersionKind
	path []step
}

type step struct {
	name string
	// wrap is what lies between the field and the struct in it: nothing, `[` or `{`.
	wrap string
}

func (p place) with(value any) map[string]any {
	for i := len(p.path) - 1; i >= 0; i-- {
		if i < len(p.path)-1 {
			for j := len(p.path[i].wrap) - 1; j >= 0; j-- {
				if p.path[i].wrap[j] == '[' {
					value = []any{value}
				} else {
					value = map[string]any{"k": value}
				}
			}
		}
		value = map[string]any{p.path[i].name: value}
	}
	return named(value.(map[string]any), p.gvk)
}

// visit shows the fields of every struct, at the first place where it is found.
func visit(show func(field field, at place) error) error {
	type structure struct {
		of reflect.Type
		at place
	}
	seen := map[reflect.Type]bool{}
	var queue []structure
	for _, gvk := range builtInKinds() {
		queue = append(queue, structure{goType(gvk), place{gvk: gvk}})
	}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		if seen[current.of] {
			continue
		}
		seen[current.of] = true
		fields, err := fieldsOf(current.of)
		if err != nil {
			return err
		}
		for _, field := range fields {
			if field.name == "apiVersion" || field.name == "kind" {
				continue
			}
			at := place{current.at.gvk, append(append([]step{}, current.at.path...), step{name: field.name})}
			if err := show(field, at); err != nil {
				return err
			}
			inner := field.Type
			last := &at.path[len(at.path)-1]
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				switch inner.Kind() {
				case reflect.Slice:
					last.wrap += "["
				case reflect.Map:
					last.wrap += "{"
				}
				inner = inner.Elem()
			}
			if _, ok := special[inner]; !ok && inner.Kind() == reflect.Struct {
				queue = append(queue, structure{inner, at})
			}
		}
	}
	return nil
}

// places finds a field for every shape; structs that are told apart by name only count as one.
func places() (map[string]place, error) {
	found := map[string]place{}
	t := table{structs: map[string]reflect.Type{}}
	err := visit(func(field field, at place) error {
		if first := at.path[0].name; first == "metadata" || first == "status" {
			return nil
		}
		shape, err := t.shape(anonymous(field.Type))
		if field.omitted {
			shape += "?"
		}
		if _, ok := found[shape]; !ok {
			found[shape] = at
		}
		return err
	})
	return found, err
}

// everyField has a value that does not fit for every field that does not take anything.
func everyField() ([][]byte, error) {
	var inputs [][]byte
	err := visit(func(field field, at place) error {
		value := wrong(field.Type)
		if value == "" {
			return nil
		}
		input, err := json.Marshal(at.with(raw(value)))
		inputs = append(inputs, input)
		return err
	})
	sort.Slice(inputs, func(i, j int) bool { return bytes.Compare(inputs[i], inputs[j]) < 0 })
	return inputs, err
}

// wrong is a value that a type does not take, if there is one.
func wrong(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return wrong(t.Elem())
	}
	switch special[t] {
	case "raw":
		return ""
	case "quantity", "intorstring":
		return "true"
	case "time", "microtime":
		return "5"
	}
	if t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		return "5"
	}
	return `"x"`
}

// anonymous puts one struct in the place of all.
func anonymous(t reflect.Type) reflect.Type {
	if _, ok := special[t]; ok {
		return t
	}
	switch t.Kind() {
	case reflect.Pointer:
		return reflect.PointerTo(anonymous(t.Elem()))
	case reflect.Slice:
		return reflect.SliceOf(anonymous(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(reflect.TypeFor[string](), anonymous(t.Elem()))
	case reflect.Struct:
		return reflect.TypeFor[struct{}]()
	}
	return t
}

// everyPlace has each value at each kind of place, and texts of all forms where the form matters.
func everyPlace() ([][]byte, error) {
	found, err := places()
	if err != nil {
		return nil, err
	}
	var shapes []string
	for shape := range found {
		shapes = append(shapes, shape)
	}
	sort.Strings(shapes)
	var inputs [][]byte
	add := func(shape string, values []string) error {
		for _, value := range values {
			input, err := json.Marshal(found[shape].with(raw(value)))
			if err != nil {
				return err
			}
			inputs = append(inputs, input)
		}
		return nil
	}
	for _, shape := range shapes {
		if err := add(shape, values); err != nil {
			return nil, err
		}
	}
	for shape, texts := range map[string][]string{"*quantity?": quantities, "*time?": times, "*microtime?": microtimes, "bytes?": encodings} {
		if _, ok := found[shape]; !ok {
			return nil, fmt.Errorf("no field is a %s", shape)
		}
		sorted := make([]string, len(texts))
		for i, text := range texts {
			quoted, _ := json.Marshal(text)
			sorted[i] = string(quoted)
		}
		if err := add(shape, sorted); err != nil {
			return nil, err
		}
	}
	sort.Slice(inputs, func(i, j int) bool { return bytes.Compare(inputs[i], inputs[j]) < 0 })
	return inputs, nil
}
