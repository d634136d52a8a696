// Command kstatus-oracle writes how kustomize-controller's own libraries judge the readiness of objects.
//
// kstatus-oracle record DIR writes DIR/<topic>.jsonl, one object and its verdict per line.
// kstatus-oracle fuzz SEED COUNT DIR writes the same for random changes of the same objects.
//
// Objects are judged by themselves: the pods of a StatefulSet or ReplicaSet are not looked at.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/statusreaders"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	runtimereaders "github.com/fluxcd/pkg/runtime/statusreaders"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "k8s.io/apimachinery/pkg/util/json"
)

// line is one line of a file of cases.
type line struct {
	Object  json.RawMessage `json:"object"`
	Status  string          `json:"status"`
	Message string          `json:"message,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// pairs is how many of the possible pairs of changes are recorded of each topic.
const pairs = 24

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "record":
		return record(arguments[1])
	case len(arguments) == 4 && arguments[0] == "fuzz":
		seed, err := strconv.ParseUint(arguments[1], 10, 64)
		if err != nil {
			return err
		}
		count, err := strconv.Atoi(arguments[2])
		if err != nil {
			return err
		}
		return fuzz(seed, count, arguments[3])
	}
	return fmt.Errorf("usage: kstatus-oracle record DIR | fuzz SEED COUNT DIR")
}

// record writes of each topic the object as it is, every single change of it, and some pairs of changes.
func record(dir string) error {
	for at, topic := range topics {
		random := rand.New(rand.NewPCG(1, uint64(at)))
		changes := topic.changes()
		cases := [][]change{nil}
		for _, one := range changes {
			cases = append(cases, []change{one})
		}
		for range pairs {
			cases = append(cases, []change{changes[random.IntN(len(changes))], changes[random.IntN(len(changes))]})
		}
		if err := write(dir, topic, cases); err != nil {
			return err
		}
	}
	return nil
}

// fuzz writes random changes of all topics, up to six of one object.
func fuzz(seed uint64, count int, dir string) error {
	for at, topic := range topics {
		random := rand.New(rand.NewPCG(seed, uint64(at)))
		changes := topic.changes()
		var cases [][]change
		for range count / len(topics) {
			var several []change
			for range 1 + random.IntN(6) {
				several = append(several, changes[random.IntN(len(changes))])
			}
			cases = append(cases, several)
		}
		if err := write(dir, topic, cases); err != nil {
			return err
		}
	}
	return nil
}

func write(dir string, topic topic, cases [][]change) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, topic.name+".jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	written := map[string]bool{}
	for _, changes := range cases {
		object, err := topic.object(changes)
		if err != nil {
			return err
		}
		if written[string(object)] {
			continue
		}
		written[string(object)] = true
		judged, err := judge(object)
		if err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
		text, err := json.Marshal(judged)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
			return err
		}
	}
	return out.Flush()
}

// judge reads an object as the controller's poller does, Jobs by Flux's own reader.
func judge(text []byte) (*line, error) {
	object := &unstructured.Unstructured{}
	if err := kjson.Unmarshal(text, &object.Object); err != nil {
		return nil, err
	}
	var reader engine.StatusReader = runtimereaders.NewCustomJobStatusReader(nil)
	if !reader.Supports(object.GroupVersionKind().GroupKind()) {
		reader = statusreaders.NewGenericStatusReader(nil, status.Compute)
	}
	read, err := reader.ReadStatusForObject(context.Background(), nil, object)
	if err != nil {
		return nil, err
	}
	judged := &line{Object: text, Status: read.Status.String(), Message: read.Message}
	if read.Error != nil {
		judged.Error = read.Error.Error()
	}
	return judged, nil
}
