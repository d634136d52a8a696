package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// decode turns JSON into Go values. Plain JSON is what encoding/json makes of it; an object with
// the single key "$type" and another "value" gives other types:
//
//	{"$type": "int", "value": "3"}
//
// Strings are bytes, see Case.
func decode(v any) any {
	switch v := v.(type) {
	case string:
		return fromLatin(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = decode(item)
		}
		return list
	case map[string]any:
		if kind, ok := v["$type"].(string); ok {
			return typed(kind, v["value"])
		}
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[fromLatin(key)] = decode(item)
		}
		return m
	}
	return v
}

func typed(kind string, v any) any {
	text, _ := v.(string)
	switch kind {
	case "int":
		return int(parseInt(text))
	case "int8":
		return int8(parseInt(text))
	case "int16":
		return int16(parseInt(text))
	case "int32":
		return int32(parseInt(text))
	case "int64":
		return parseInt(text)
	case "uint":
		return uint(parseUint(text))
	case "uint8":
		return uint8(parseUint(text))
	case "uint16":
		return uint16(parseUint(text))
	case "uint32":
		return uint32(parseUint(text))
	case "uint64":
		return parseUint(text)
	case "float64":
		switch text {
		case "NaN":
			return math.NaN()
		case "-0":
			return math.Copysign(0, -1)
		}
		f, err := strconv.ParseFloat(text, 64)
		check(err)
		return f
	case "complex128":
		c, err := strconv.ParseComplex(text, 128)
		check(err)
		return c
	case "[]string":
		items := []string{}
		for _, item := range v.([]any) {
			items = append(items, fromLatin(item.(string)))
		}
		return items
	case "[]int":
		items := []int{}
		for _, item := range v.([]any) {
			items = append(items, int(item.(float64)))
		}
		return items
	case "[]byte":
		return slices.Clip([]byte(fromLatin(text)))
	case "map[string]string":
		m := map[string]string{}
		for key, item := range v.(map[string]any) {
			m[fromLatin(key)] = fromLatin(item.(string))
		}
		return m
	case "nil []any":
		return []any(nil)
	case "nil map":
		return map[string]any(nil)
	case "nil []string":
		return []string(nil)
	}
	panic("unknown type " + kind)
}

func parseInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	check(err)
	return n
}

func parseUint(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// funcs are the functions that the cases may call; the Rust runner has the same.
func funcs(set *template.Template) template.FuncMap {
	return template.FuncMap{
		"upper":  strings.ToUpper,
		"repeat": func(n int, s string) string { return strings.Repeat(s, n) },
		"add":    func(numbers ...int64) (sum int64) { return addAll(numbers) },
		"half":   func(f float64) float64 { return f / 2 },
		"uint":   func(n uint64) uint64 { return n },
		"flip":   func(b bool) bool { return !b },
		"list":   func(items ...any) []any { return append([]any{}, items...) },
		"same":   func(v any) any { return v },
		"keys":   func(m map[string]any) int { return len(m) },
		"count":  func(l []any) int { return len(l) },
		"join":   func(sep string, parts ...string) string { return strings.Join(parts, sep) },
		"seven":  func() int { return 7 },
		"typeOf": func(v any) string { return fmt.Sprintf("%T", v) },
		"fail":   func(message string) (string, error) { return "", errors.New(message) },
		"set": func(m map[string]any, key string, v any) map[string]any {
			m[key] = v
			return m
		},
		"dict": func(items ...any) map[string]any {
			m := map[string]any{}
			for i := 0; i+1 < len(items); i += 2 {
				m[fmt.Sprint(items[i])] = items[i+1]
			}
			return m
		},
		"include": func(name string, dot any) (string, error) {
			var buf bytes.Buffer
			err := set.ExecuteTemplate(&buf, name, dot)
			return buf.String(), err
		},
	}
}

func addAll(numbers []int64) (sum int64) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}
