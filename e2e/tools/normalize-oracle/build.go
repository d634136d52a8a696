package main

import (
	"reflect"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Raw is a value that is written into an object as it stands.
type raw string

// MarshalJSON implements json.Marshaler.
func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// filling says what the values of an object are.
type filling int

const (
	nulls filling = iota
	zeros
	full
)

// builder makes objects in which every struct is spelled out once, with all its fields.
type builder struct {
	filling filling
	spelled map[reflect.Type]bool
	count   int
}

func (b *builder) object(gvk schema.GroupVersionKind) (map[string]any, error) {
	object := map[string]any{}
	fields, err := fieldsOf(goType(gvk))
	if err != nil {
		return nil, err
	}
	for _, field := range fields {
		switch field.name {
		case "apiVersion", "kind", "metadata", "status":
		default:
			object[field.name] = b.value(field.Type)
		}
	}
	if b.filling == full {
		object["unknownField"] = raw(`{"a":[1]}`)
	}
	return named(object, gvk), nil
}

func named(object map[string]any, gvk schema.GroupVersionKind) map[string]any {
	object["apiVersion"] = gvk.GroupVersion().String()
	object["kind"] = gvk.Kind
	if object["metadata"] == nil {
		object["metadata"] = map[string]any{"name": "x"}
	}
	return object
}

func (b *builder) value(t reflect.Type) any {
	if name, ok := special[t]; ok {
		return b.leaf(name)
	}
	switch t.Kind() {
	case reflect.Pointer:
		if b.filling == nulls && !b.isNew(t.Elem()) {
			return nil
		}
		return b.value(t.Elem())
	case reflect.Slice:
		switch {
		case t.Elem().Kind() == reflect.Uint8:
			return b.leaf("bytes")
		case b.isNew(t.Elem()):
			return []any{b.value(t.Elem()), nil}
		case b.filling == nulls:
			return nil
		case b.filling == zeros:
			return []any{}
		}
		return []any{b.value(t.Elem())}
	case reflect.Map:
		switch {
		case b.isNew(t.Elem()):
			return map[string]any{"k": b.value(t.Elem()), "n": nil}
		case b.filling == nulls:
			return nil
		case b.filling == zeros:
			return map[string]any{}
		}
		return map[string]any{"k": b.value(t.Elem())}
	case reflect.Struct:
		return b.structure(t)
	}
	return b.leaf(t.Kind().String())
}

// isNew says whether a type leads to a struct that is not spelled out yet.
func (b *builder) isNew(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	_, isSpecial := special[t]
	return t.Kind() == reflect.Struct && !isSpecial && !b.spelled[t]
}

func (b *builder) structure(t reflect.Type) any {
	if b.spelled[t] {
		if b.filling == nulls {
			return nil
		}
		return map[string]any{}
	}
	b.spelled[t] = true
	fields, err := fieldsOf(t)
	if err != nil {
		panic(err)
	}
	object := map[string]any{}
	for _, field := range fields {
		object[field.name] = b.value(field.Type)
	}
	if b.filling == full {
		object["unknownField"] = raw(`{"a":[1]}`)
	}
	return object
}

var zeroLeaves = map[string]any{
	"string": "", "bool": false, "int32": 0, "int64": 0, "bytes": "", "quantity": "0", "intorstring": 0, "raw": raw("{}"),
	"time": "0001-01-01T00:00:00Z", "microtime": "0001-01-01T00:00:00.000000Z",
}

func (b *builder) leaf(name string) any {
	switch b.filling {
	case nulls:
		return nil
	case zeros:
		return zeroLeaves[name]
	}
	b.count++
	switch name {
	case "string":
		return "s" + strconv.Itoa(b.count)
	case "bool":
		return true
	case "int32", "int64":
		return b.count
	case "bytes":
		return "eB=="
	case "quantity":
		return strconv.Itoa(b.count) + "000m"
	case "intorstring":
		return strconv.Itoa(b.count)
	case "raw":
		return raw(`{"a":[1.0,null,{"b":2}]}`)
	case "time":
		return "2024-05-06T07:08:09.5+02:00"
	}
	return "2024-05-06T07:08:09.123456+02:00"
}
