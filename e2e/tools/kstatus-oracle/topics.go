package main

import (
	"encoding/json"
	"strings"
)

// topic is one kind of object, in a state that its spec asks for, and what can be different about it.
type topic struct {
	name   string
	base   string
	fields []field
}

// field is a place in an object and the values that it may have instead.
type field struct {
	path   string
	values []string
}

// change puts a value in a place, or removes what is there.
type change struct {
	path  []string
	value string
}

const absent = ""

// everywhere is what can be different about objects of all kinds.
var everywhere = []field{
	{"metadata.generation", []string{absent, "1", "3", "2.5", `"2"`, "null"}},
	{"status.observedGeneration", []string{absent, "1", "2", "3", "2.0", `"2"`, "null", "true"}},
	{"metadata.deletionTimestamp", []string{`"2026-01-01T00:00:00Z"`, `""`, "null", "5"}},
	{"status", []string{absent, "null", "{}", `"odd"`, "[]", "3"}},
	{"status.conditions", []string{absent, "null", "[]", "{}", `"odd"`, "[null]", `["odd"]`, "[{}]", `[{"type":1}]`,
		`[{"type":"Ready","status":true}]`, `[{"type":"Ready","status":"False","message":null,"reason":7}]`,
		`[{"type":"Reconciling","status":"True","reason":"R","message":"on its way"}]`,
		`[{"type":"Reconciling","status":"False"},{"type":"Stalled","status":"True","reason":"S","message":"stuck"}]`,
		`[{"type":"Stalled","status":"True","message":"stuck"},{"type":"Reconciling","status":"True"}]`,
		`[{"type":"Stalled","status":"Unknown"},{"type":"Ready","status":"True"}]`,
		`[{"type":"Ready","status":"False","reason":"R","message":"not yet"}]`,
		`[{"type":"Ready","status":"Unknown","message":"who knows"}]`,
		`[{"type":"Ready","status":"odd"},{"type":"Ready","status":"False","message":"second"}]`,
		`[{"type":"ready","status":"False"}]`}},
}

func counts(path string) field {
	return field{path, []string{absent, "0", "1", "2", "3", "4", "-1", "null", `"2"`, "2.5"}}
}

var topics = []topic{
	{"deployment", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b","generation":2},
		"spec":{"replicas":2,"progressDeadlineSeconds":600,"selector":{}},
		"status":{"observedGeneration":2,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,"conditions":[
		{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"},{"type":"Available","status":"True"}]}}`,
		[]field{
			counts("spec.replicas"), counts("status.replicas"), counts("status.updatedReplicas"),
			counts("status.readyReplicas"), counts("status.availableReplicas"),
			{"spec.progressDeadlineSeconds", []string{absent, "2147483647", "2147483648", "1", "null", `"600"`}},
			{"spec.paused", []string{"true", "false"}},
			{"apiVersion", []string{`"extensions/v1beta1"`, `"example.org/v1"`, `"v1"`}},
			{"status.conditions", []string{
				`[{"type":"Progressing","status":"True","reason":"ReplicaSetUpdated"},{"type":"Available","status":"True"}]`,
				`[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded","message":"too slow"}]`,
				`[{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"},{"type":"Available","status":"False"}]`,
				`[{"type":"Progressing","status":"Unknown","reason":"DeploymentPaused"},{"type":"Available","status":"True"}]`,
				`[{"type":"Available","status":"True"}]`,
				`[{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]`,
				`[{"type":"Available","status":"False"},{"type":"Available","status":"True"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]`}},
		}},
	{"stateful-set", `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a","namespace":"b","generation":2},
		"spec":{"replicas":2,"updateStrategy":{"type":"RollingUpdate"}},
		"status":{"observedGeneration":2,"replicas":2,"readyReplicas":2,"currentReplicas":2,"updatedReplicas":2,
		"currentRevision":"a-1","updateRevision":"a-1"}}`,
		[]field{
			counts("spec.replicas"), counts("status.replicas"), counts("status.updatedReplicas"),
			counts("status.readyReplicas"), counts("status.currentReplicas"),
			{"spec.updateStrategy", []string{absent, "null", `{"type":"OnDelete"}`, `"OnDelete"`, `{"type":5}`,
				`{"rollingUpdate":null}`, `{"rollingUpdate":{"partition":0}}`, `{"rollingUpdate":{"partition":1}}`,
				`{"rollingUpdate":{"partition":3}}`, `{"rollingUpdate":{"partition":-1}}`, `{"rollingUpdate":{"partition":-2}}`,
				`{"rollingUpdate":{"partition":"1"}}`}},
			{"status.currentRevision", []string{absent, `"a-2"`, "7"}},
			{"status.updateRevision", []string{absent, `"a-2"`, "null"}},
		}},
	{"replica-set", `{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"a","namespace":"b","generation":2},
		"spec":{"replicas":2},
		"status":{"observedGeneration":2,"replicas":2,"readyReplicas":2,"availableReplicas":2,"fullyLabeledReplicas":2}}`,
		[]field{
			counts("spec.replicas"), counts("status.replicas"), counts("status.fullyLabeledReplicas"),
			counts("status.readyReplicas"), counts("status.availableReplicas"),
			{"apiVersion", []string{`"extensions/v1beta1"`, `"example.org/v1"`}},
			{"status.conditions", []string{`[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"quota"}]`,
				`[{"type":"ReplicaFailure","status":"False"}]`}},
		}},
	{"daemon-set", `{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"a","namespace":"b","generation":2},"spec":{},
		"status":{"observedGeneration":2,"desiredNumberScheduled":2,"currentNumberScheduled":2,"updatedNumberScheduled":2,
		"numberAvailable":2,"numberReady":2}}`,
		[]field{
			counts("status.desiredNumberScheduled"), counts("status.currentNumberScheduled"),
			counts("status.updatedNumberScheduled"), counts("status.numberAvailable"), counts("status.numberReady"),
			{"apiVersion", []string{`"extensions/v1beta1"`, `"example.org/v1"`}},
			{"spec.updateStrategy.type", []string{`"OnDelete"`}},
		}},
	{"job", `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","namespace":"b","generation":2},
		"spec":{"parallelism":1,"completions":2},
		"status":{"startTime":"2026-01-01T00:00:00Z","succeeded":2,"conditions":[{"type":"Complete","status":"True"}]}}`,
		[]field{
			{"spec.suspend", []string{"true", "false", `"true"`, "null"}},
			counts("spec.parallelism"), counts("spec.completions"), counts("status.succeeded"), counts("status.active"), counts("status.failed"),
			{"status.startTime", []string{absent, `""`, "5"}},
			{"apiVersion", []string{`"batch/v1beta1"`, `"example.org/v1"`}},
			{"status.conditions", []string{
				`[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded","message":"no more"}]`,
				`[{"type":"FailureTarget","status":"True"}]`, `[{"type":"SuccessCriteriaMet","status":"True"}]`,
				`[{"type":"Suspended","status":"True"}]`, `[{"type":"Complete","status":"False"}]`,
				`[{"type":"Failed","status":"True"},{"type":"Complete","status":"True"}]`}},
		}},
	{"pod", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{},
		"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`,
		[]field{
			{"status.phase", []string{absent, `""`, `"Pending"`, `"Succeeded"`, `"Failed"`, `"Unknown"`, "7"}},
			{"metadata.creationTimestamp", []string{absent, "null", `"2999-01-01T00:00:00Z"`, `"odd"`, "5"}},
			{"status", []string{
				`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"no node"}]}`,
				`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}`,
				`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"True"}]}`,
				`{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}`,
				`{"phase":"Running","containerStatuses":[{"name":"x","state":{"waiting":{"reason":"CrashLoopBackOff"}}},{"name":"y","state":{"running":{}}},{"name":"z","state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}`,
				`{"phase":"Running","containerStatuses":[{"name":"x","state":{"waiting":{"reason":"ImagePullBackOff"}}},{"state":{}},{"name":"z"}]}`,
				`{"phase":"Running","containerStatuses":[]}`, `{"phase":"Running","containerStatuses":null}`, `{"phase":"Running","containerStatuses":{}}`}},
		}},
	{"persistent-volume-claim", `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"a","namespace":"b"},"spec":{},"status":{"phase":"Bound"}}`,
		[]field{{"status.phase", []string{absent, `"Pending"`, `"Lost"`, `""`, "null", "7"}}}},
	{"service", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"b"},"spec":{"type":"LoadBalancer","clusterIP":"10.0.0.1"},"status":{"loadBalancer":{}}}`,
		[]field{
			{"spec.type", []string{absent, `"ClusterIP"`, `"NodePort"`, `"ExternalName"`, "5"}},
			{"spec.clusterIP", []string{absent, `""`, `"None"`, "null"}},
			{"apiVersion", []string{`"serving.knative.dev/v1"`}},
		}},
	{"custom-resource-definition", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"a"},"spec":{},
		"status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"True"}]}}`,
		[]field{{"status.conditions", []string{
			`[{"type":"NamesAccepted","status":"False","reason":"Conflict","message":"taken"}]`,
			`[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"False","reason":"Installing","message":"soon"}]`,
			`[{"type":"Established","status":"False","reason":"NotAccepted","message":"not all names"}]`,
			`[{"type":"Established","status":"True"},{"type":"NamesAccepted","status":"False","reason":"Conflict"}]`,
			`[{"type":"Established","status":"Unknown"}]`, `[{"type":"Terminating","status":"True"}]`}}}},
	{"always-ready", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}`,
		[]field{
			{"kind", []string{`"Secret"`, `"Namespace"`, `"ServiceAccount"`, `"PodDisruptionBudget"`, `"CronJob"`}},
			{"apiVersion", []string{`"example.org/v1"`, `"batch/v1"`, `"policy/v1"`}},
		}},
	{"cron-job", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a","namespace":"b","generation":2},"spec":{"schedule":"* * * * *"},"status":{}}`,
		[]field{{"spec.suspend", []string{"true"}}}},
	{"pod-disruption-budget", `{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"a","namespace":"b","generation":2},"spec":{},
		"status":{"observedGeneration":2,"disruptionsAllowed":0}}`,
		[]field{{"status.conditions", []string{`[{"type":"DisruptionAllowed","status":"False","reason":"InsufficientPods"}]`}}}},
	{"custom", `{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"a","namespace":"b","generation":2},"spec":{},
		"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]}}`,
		[]field{
			{"kind", []string{`"Deployment"`, `"Pod"`, `"Job"`}},
			{"apiVersion", []string{`"example.org"`, `"a/b/c"`}},
			{"metadata", []string{`{"name":"a"}`}},
		}},
}

func (t topic) changes() []change {
	var all []change
	for _, fields := range [][]field{t.fields, everywhere} {
		for _, field := range fields {
			for _, value := range field.values {
				all = append(all, change{strings.Split(field.path, "."), value})
			}
		}
	}
	return all
}

// object gives the topic's object with changes. A change below something that is no object changes nothing.
func (t topic) object(changes []change) ([]byte, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(t.base), &object); err != nil {
		return nil, err
	}
	for _, change := range changes {
		parent := object
		for _, name := range change.path[:len(change.path)-1] {
			child, ok := parent[name].(map[string]any)
			if !ok {
				if _, taken := parent[name]; taken {
					parent = nil
					break
				}
				child = map[string]any{}
				parent[name] = child
			}
			parent = child
		}
		if parent == nil {
			continue
		}
		last := change.path[len(change.path)-1]
		if change.value == absent {
			delete(parent, last)
		} else {
			parent[last] = json.RawMessage(change.value)
			// What lies below has to be reachable for the next change.
			var value any
			if err := json.Unmarshal([]byte(change.value), &value); err != nil {
				return nil, err
			}
			if fields, ok := value.(map[string]any); ok {
				parent[last] = fields
			}
		}
	}
	return json.Marshal(object)
}
