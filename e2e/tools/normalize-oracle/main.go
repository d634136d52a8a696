// Command normalize-oracle shows what Flux's normalisation makes of objects of built-in kinds.
//
//	normalize-oracle table          prints the Go types of all built-in kinds in the form that controllers/kit reads
//	normalize-oracle record CASES   writes the recorded cases of controllers/kit
//	normalize-oracle fuzz SEED COUNT    prints that many random cases, one a line
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "table":
		return printTable(os.Stdout)
	case len(args) == 2 && args[0] == "record":
		return record(args[1])
	case len(args) == 3 && args[0] == "fuzz":
		seed, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		out := bufio.NewWriter(os.Stdout)
		if err := fuzz(seed, count, out); err != nil {
			return err
		}
		return out.Flush()
	}
	return fmt.Errorf("usage: normalize-oracle table | record CASES | fuzz SEED COUNT")
}
