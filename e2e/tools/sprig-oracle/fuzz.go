package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// fuzz writes a case folder of generated calls: every function, arguments of every kind, nested calls.
func fuzz(seed, count, dir string) error {
	number, err := strconv.ParseInt(seed, 10, 64)
	if err != nil {
		return err
	}
	lines, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	g := generator{rand.New(rand.NewSource(number)), names()}
	var input strings.Builder
	for range lines {
		call := g.call(2)
		if g.Intn(3) == 0 {
			call += " | " + pick(g, "toJson", "quote", "toYaml", "toString", "typeOf", "kindOf", "toToml", "empty")
		}
		fmt.Fprintf(&input, "{{ %s }}\n", call)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "input.txt"), []byte(input.String()), 0o644); err != nil {
		return err
	}
	values := "a: 1\nf: 1.5\nbig: 1e6\ns: hello world\nt: true\nn: null\nl: [1, b, null, 2.5]\nm: {x: 1, y: {z: deep}, n: null}\n"
	if err := os.WriteFile(filepath.Join(dir, "values.yaml"), []byte(values), 0o644); err != nil {
		return err
	}
	return record(dir)
}

// unrepeatable functions depend on chance, time or the order of a Go map, or are slow on purpose.
var unrepeatable = map[string]bool{
	"ago": true, "bcrypt": true, "buildCustomCert": true, "date": true, "dateInZone": true, "date_in_zone": true,
	"derivePassword": true, "encryptAES": true, "genCA": true, "genCAWithKey": true, "genPrivateKey": true,
	"genSelfSignedCert": true, "genSelfSignedCertWithKey": true, "genSignedCert": true, "genSignedCertWithKey": true,
	"htmlDate": true, "htmlDateInZone": true, "htpasswd": true, "keys": true, "now": true, "randAlpha": true,
	"randAlphaNum": true, "randAscii": true, "randBytes": true, "randInt": true, "randNumeric": true, "shuffle": true,
	"uuidv4": true, "values": true, "durationRound": true,
}

// makesSpace tells the functions whose integers say how much memory they take.
var makesSpace = map[string]bool{"indent": true, "nindent": true, "repeat": true, "seq": true, "until": true, "untilStep": true}

func names() []string {
	var list []string
	for name := range functions {
		if !unrepeatable[name] {
			list = append(list, name)
		}
	}
	list = append(list, "index", "len", "print", "printf", "println", "eq", "ne", "lt", "not", "and", "or", "html", "js", "urlquery")
	sort.Strings(list)
	return list
}

type generator struct {
	*rand.Rand
	names []string
}

func pick(g generator, choices ...string) string {
	return choices[g.Intn(len(choices))]
}

// call is a function with arguments that mostly fit its parameters.
func (g generator) call(depth int) string {
	name := g.names[g.Intn(len(g.names))]
	parts := []string{name}
	function := functions[name]
	if function == nil {
		for range 1 + g.Intn(3) {
			parts = append(parts, g.argument(nil, depth))
		}
		return strings.Join(parts, " ")
	}
	t := reflect.TypeOf(function)
	count := t.NumIn()
	if t.IsVariadic() {
		count += g.Intn(4) - 1
	}
	if g.Intn(40) == 0 {
		count += g.Intn(3) - 1
	}
	for i := range count {
		var parameter reflect.Type
		switch {
		case t.IsVariadic() && i >= t.NumIn()-1:
			parameter = t.In(t.NumIn() - 1).Elem()
		case i < t.NumIn():
			parameter = t.In(i)
		}
		if makesSpace[name] && parameter != nil && parameter.Kind() == reflect.Int {
			parts = append(parts, pick(g, "0", "1", "3", "-2", "2.0", ".a", "\"x\""))
			continue
		}
		parts = append(parts, g.argument(parameter, depth))
	}
	return strings.Join(parts, " ")
}

func (g generator) argument(parameter reflect.Type, depth int) string {
	if parameter == nil || g.Intn(12) == 0 || parameter.Kind() == reflect.Interface {
		return g.any(depth)
	}
	switch parameter.Kind() {
	case reflect.String:
		return g.text(depth)
	case reflect.Int, reflect.Int64:
		return pick(g, "0", "1", "2", "3", "5", "10", "-1", "-2", "-7", "4.0", "(int .a)", "(int \"3\")", "(len .s)", "100")
	case reflect.Uint32:
		return pick(g, "0", "1", "7")
	case reflect.Float64:
		return pick(g, "0.5", "0.25", "1.5", ".f", "1")
	case reflect.Bool:
		return pick(g, "true", "false", ".t", "(eq 1 1)", "(empty .n)")
	case reflect.Map:
		return g.dictionary(depth)
	case reflect.Slice:
		return g.list(depth)
	case reflect.Struct:
		return pick(g, `(toDate "2006-01-02" "2020-03-04")`, `(toDate "2006-01-02 15:04:05" "1999-12-31 23:59:59")`)
	}
	return g.any(depth)
}

func (g generator) any(depth int) string {
	switch g.Intn(10) {
	case 0:
		return g.dictionary(depth)
	case 1:
		return g.list(depth)
	case 2, 3:
		return g.text(depth)
	case 4:
		if depth > 0 {
			return "(" + g.call(depth-1) + ")"
		}
		return pick(g, "nil", ".n", ".zz", "(list)", "(dict)")
	case 5:
		return pick(g, "nil", ".n", ".zz", "(.zz)", "(list)", "(dict)", "(rest (list))", `(fromJson "null")`)
	case 6:
		return pick(g, "true", "false", ".t", "1i", "'a'", `(semver "1.2.3-rc.1+b")`, `(toDate "2006" "2020")`, "(until 3)", `(split "," "a,b")`)
	case 7:
		return pick(g, "0.1", "1.5", "-2.5", "1e6", "1e21", "1e-7", ".f", ".big", "3.0", "-0.0", `(float64 "inf")`, `(float64 "nan")`)
	}
	return pick(g, "0", "1", "2", "-1", "42", "-7", "1000000", "9223372036854775807", "-9223372036854775808", "(int64 3)", ".a", "(add 1 2)", "0x1F", "017")
}

func (g generator) text(depth int) string {
	if depth > 0 && g.Intn(6) == 0 {
		return "(" + g.call(depth-1) + " | toString)"
	}
	return pick(g, `""`, `"a"`, `"b"`, `"hello world"`, ".s", `"  x\ty\n"`, `"1.2.3"`, `">=1.2 <2"`, `"v1.20.3-rc.1"`, `"aGVsbG8="`, `"MFRGG==="`,
		`"a,b,,c"`, `","`, `"."`, `" "`, `"-"`, `"é日本ß"`, `"HTTPServer_name-v2"`, `"10"`, `"010"`, `"0x1f"`, `"1.50"`, `"-3"`, `"1e3"`, `"true"`,
		`"{\"a\": [1, null, \"x\"]}"`, `"[1, {\"b\": 2}]"`, `"a: 1\nb: [x, y]\n"`, `"- 1\n- a: b\n"`, `"/a/../b/c.tar.gz"`, `"https://u:p@h:80/p?q=1#f"`,
		`"2006-01-02"`, `"2020-03-04"`, `"15:04:05 MST"`, `"1h30m"`, `"90"`, `"[a-z]+"`, `"(l)(o)?"`, `"$1-${2}x"`, `"a*"`, `"\\s"`, `"x"`, `"y"`, `"_0"`,
		`(b64dec "/w==")`, `"%d %v|%5s"`, `"line1\nline2\n"`, `"it's \"q\" <b> & c"`, `"string"`, `"map"`, `"\u00a0a\u2003"`, `"foo: [bar"`, `"k=v"`)
}

func (g generator) list(depth int) string {
	switch g.Intn(6) {
	case 0:
		return pick(g, ".l", "(list)", "(until 4)", `(splitList "," "c,a,b")`, "(rest (list))", "nil", ".n", "(chunk 2 .l)")
	case 1:
		if depth > 0 {
			return "(" + g.call(depth-1) + ")"
		}
	}
	parts := []string{"(list"}
	for range g.Intn(4) {
		parts = append(parts, g.any(depth-1))
	}
	return strings.Join(parts, " ") + ")"
}

func (g generator) dictionary(depth int) string {
	switch g.Intn(6) {
	case 0:
		// Copies, because a map that contains itself overflows the stack of Go.
		return pick(g, "(deepCopy .)", "(deepCopy .m)", "(dict)", "nil", "(.zz)", `(fromYaml "a: {b: 1}")`)
	case 1:
		if depth > 0 {
			return "(" + g.call(depth-1) + ")"
		}
	}
	parts := []string{"(dict"}
	for range g.Intn(4) {
		parts = append(parts, pick(g, `"a"`, `"b"`, `"x"`, `"y"`, `"path"`, `"host"`, `"scheme"`, "1", `"a10"`, `"a2"`), g.any(depth-1))
	}
	return strings.Join(parts, " ") + ")"
}
