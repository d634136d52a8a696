// Package controller stands in for kustomize-controller's own under its own tests: what the tests take for a reconciler is the
// program of ours, which reconciles on the API server of the tests.
//
// Nothing of kustomize-controller's reconciler is linked, so that nothing else can have done what the tests look for.
package controller

import (
	"context"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	kuberecorder "k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	runtimeCtrl "github.com/fluxcd/pkg/runtime/controller"
	"github.com/fluxcd/pkg/runtime/testenv"
)

// OCIArtifactOriginRevisionAnnotation is what artifacts tell of where their content came from first.
const OCIArtifactOriginRevisionAnnotation = "org.opencontainers.image.revision"

// KustomizationReconciler has the fields that tests set; those that a flag of the program stands for are read before each
// change that a test makes.
type KustomizationReconciler struct {
	client.Client
	kuberecorder.EventRecorder
	runtimeCtrl.Metrics

	APIReader      client.Reader
	ControllerName string
	Mapper         apimeta.RESTMapper
	StatusManager  string

	ConcurrentSSA             int
	CustomStageKinds          map[schema.GroupKind]struct{}
	DefaultServiceAccount     string
	DisallowedFieldManagers   []string
	NoCrossNamespaceRefs      bool
	NoRemoteBases             bool
	SOPSAgeSecret             string
	SOPSVaultConfigMap        string
	ArtifactFetchRetries      int
	DependencyRequeueInterval time.Duration

	AdditiveCELDependencyCheck bool
	AllowExternalArtifact      bool
	DirectSourceFetch          bool
	FailFast                   bool
	GroupChangeLog             bool
	MigrateAPIVersion          bool
	StrictSubstitutions        bool
}

// KustomizationReconcilerOptions has the options that tests set.
type KustomizationReconcilerOptions struct {
	WatchConfigs               bool
	WatchConfigsPredicate      predicate.Predicate
	WatchExternalArtifacts     bool
	CancelHealthCheckOnRequeue bool
}

// SetupWithManager has the program run whenever a test changes something, with the flags that the fields come to by then.
func (r *KustomizationReconciler) SetupWithManager(_ context.Context, mgr ctrl.Manager, opts KustomizationReconcilerOptions) error {
	env, ok := mgr.(*testenv.Environment)
	if !ok {
		return fmt.Errorf("the manager is no test environment but a %T", mgr)
	}
	user, err := env.AddUser(envtest.User{Name: "openflux", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	door, err := newDoor(r, user.Config())
	if err != nil {
		return err
	}
	program, err := newProgram(door.address)
	if err != nil {
		return err
	}
	// The client that the tests use is made after this; that of the manager was made before.
	env.Config = rest.CopyConfig(env.Config)
	env.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return beforeChanges{next: next, do: func() error { return program.runWith(r.flags(opts)) }}
	})
	// It ends before the API server does, which waits for those who watch.
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		program.stop()
		return nil
	}))
}

// beforeChanges does something before each request that changes an object.
type beforeChanges struct {
	next http.RoundTripper
	do   func() error
}

func (b beforeChanges) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet {
		if err := b.do(); err != nil {
			return nil, err
		}
	}
	return b.next.RoundTrip(request)
}

// Reconcile asks the program for a run, and waits for its end. An object that is being deleted says nothing about runs: it is
// given the time of one.
func (r *KustomizationReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	asked := time.Now().Format(time.RFC3339Nano)
	object := &kustomizev1.Kustomization{}
	if err := r.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := object.DeepCopy()
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	object.Annotations[meta.ReconcileRequestAnnotation] = asked
	if err := r.Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err := r.Get(ctx, request.NamespacedName, object); err != nil {
			if apierrors.IsNotFound(err) {
				return ctrl.Result{}, nil
			}
			return ctrl.Result{}, err
		}
		if object.DeletionTimestamp != nil {
			time.Sleep(2 * time.Second)
			return ctrl.Result{}, saidErrorAbout(request.Name)
		}
		if object.Status.LastHandledReconcileAt == asked {
			return ctrl.Result{}, nil
		}
	}
	return ctrl.Result{}, fmt.Errorf("%s was not reconciled when asked to", request)
}
