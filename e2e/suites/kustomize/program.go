package controller

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fluxcd/pkg/auth"
)

const (
	// The program of ours, and where its log goes.
	programVariable = "OPENFLUX_CONTROLLER"
	logVariable     = "OPENFLUX_SUITE_LOG"
	// Where the global keys are; tests change it.
	namespaceVariable = "RUNTIME_NAMESPACE"

	patience = 30 * time.Second
)

// flags gives the flags that the fields stand for.
func (r *KustomizationReconciler) flags(opts KustomizationReconcilerOptions) []string {
	gates := []struct {
		name string
		on   bool
	}{
		{"AdditiveCELDependencyCheck", r.AdditiveCELDependencyCheck},
		{"CancelHealthCheckOnNewRevision", opts.CancelHealthCheckOnRequeue},
		{"DirectSourceFetch", r.DirectSourceFetch},
		{"DisableConfigWatchers", !opts.WatchConfigs},
		{"DisableFailFastBehavior", !r.FailFast},
		{"ExternalArtifact", r.AllowExternalArtifact},
		{"GroupChangeLog", r.GroupChangeLog},
		{"MigrateAPIVersion", r.MigrateAPIVersion},
		{"ObjectLevelWorkloadIdentity", auth.IsObjectLevelWorkloadIdentityEnabled()},
		{"StrictPostBuildSubstitutions", r.StrictSubstitutions},
	}
	var pairs []string
	for _, gate := range gates {
		pairs = append(pairs, fmt.Sprintf("%s=%t", gate.name, gate.on))
	}
	var kinds []string
	for kind := range r.CustomStageKinds {
		kinds = append(kinds, kind.Group+"/"+kind.Kind)
	}
	slices.Sort(kinds)
	// Stock reads neither without knowing its own namespace.
	ageSecret, vaultConfigMap := r.SOPSAgeSecret, r.SOPSVaultConfigMap
	if os.Getenv(namespaceVariable) == "" {
		ageSecret, vaultConfigMap = "", ""
	}
	flags := []string{
		"--concurrent-ssa=" + strconv.Itoa(max(r.ConcurrentSSA, 1)),
		"--custom-apply-stage-kinds=" + strings.Join(kinds, ","),
		"--default-service-account=" + r.DefaultServiceAccount,
		"--feature-gates=" + strings.Join(pairs, ","),
		"--http-retry=" + strconv.Itoa(r.ArtifactFetchRetries),
		fmt.Sprintf("--no-cross-namespace-refs=%t", r.NoCrossNamespaceRefs),
		fmt.Sprintf("--no-remote-bases=%t", r.NoRemoteBases),
		"--requeue-dependency=" + r.DependencyRequeueInterval.String(),
		"--sops-age-secret=" + ageSecret,
		"--sops-vault-configmap=" + vaultConfigMap,
	}
	for _, manager := range r.DisallowedFieldManagers {
		flags = append(flags, "--override-manager="+manager)
	}
	return flags
}

// program is the program of ours, which runs with the flags that were asked for last.
type program struct {
	path       string
	kubeconfig string

	mutex   sync.Mutex
	running *exec.Cmd
	ended   chan error
	with    []string
}

// newProgram prepares to run the program against an API server that asks nobody who they are.
func newProgram(server string) (*program, error) {
	path := os.Getenv(programVariable)
	if path == "" {
		return nil, fmt.Errorf("%s does not name the program", programVariable)
	}
	kubeconfig, err := os.CreateTemp("", "kubeconfig-")
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(kubeconfig, `apiVersion: v1
kind: Config
current-context: suite
contexts: [{name: suite, context: {cluster: suite, user: suite}}]
clusters: [{name: suite, cluster: {server: %q}}]
users: [{name: suite, user: {}}]
`, server)
	return &program{path: path, kubeconfig: kubeconfig.Name()}, errors.Join(err, kubeconfig.Close())
}

// runWith makes sure that the program runs, and with these flags.
func (p *program) runWith(flags []string) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	with := append([]string{os.Getenv(namespaceVariable)}, flags...)
	if p.running != nil && slices.Equal(with, p.with) {
		select {
		case err := <-p.ended:
			p.running = nil
			return fmt.Errorf("the program has ended: %w", err)
		default:
			return nil
		}
	}
	p.end()
	if err := p.start(flags); err != nil {
		return err
	}
	p.with = with
	return nil
}

func (p *program) start(flags []string) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	health := free.Addr().String()
	if err := free.Close(); err != nil {
		return err
	}
	log, err := os.OpenFile(logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	arguments := append([]string{
		"run",
		"--controllers=sources,kustomize",
		// All objects, as the reconciler of the tests.
		"--watch-label-selector=",
		"--interlock=false",
		"--concurrent=4",
		"--metrics-addr=0",
		"--health-addr=" + health,
		"--graceful-shutdown-timeout=5s",
		// A test wants a download to fail whose content is known from before.
		"--artifact-cache-bytes=0",
		// Where artifacts, remote bases and Vault are served.
		"--artifact-hosts=127.0.0.1",
		"--remote-base-hosts=127.0.0.0/8",
		"--sops-key-hosts=127.0.0.0/8",
	}, flags...)
	command := exec.Command(p.path, arguments...)
	command.Env = append(os.Environ(), "KUBECONFIG="+p.kubeconfig)
	command.Stdout, command.Stderr = log, log
	// Whatever becomes of the tests, it ends with them.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	fmt.Fprintf(log, "=== %s %s\n", p.path, strings.Join(arguments, " "))
	ended, started := make(chan error, 1), make(chan error)
	go func() {
		// The thread that starts it must not end before it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			ended <- command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.running, p.ended = command, ended
	return p.awaitReady("http://" + health + "/readyz")
}

func (p *program) awaitReady(url string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-p.ended:
			p.running = nil
			return fmt.Errorf("the program has ended at once: %w", err)
		default:
		}
		answer, err := http.Get(url)
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("the program was not ready within %s", patience)
}

// stop ends the program for good.
func (p *program) stop() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.end()
}

func (p *program) end() {
	if p.running == nil {
		return
	}
	// It may have ended by itself.
	_ = p.running.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.running.Process.Kill()
		<-p.ended
	}
	p.running = nil
}

func logPath() string {
	if path := os.Getenv(logVariable); path != "" {
		return path
	}
	return filepath.Join(os.TempDir(), "openflux-controller.log")
}

// saidErrorAbout gives the errors that the program has logged about an object.
func saidErrorAbout(name string) error {
	log, err := os.ReadFile(logPath())
	if err != nil {
		return err
	}
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(`"error"`)) && bytes.Contains(line, []byte(name)) {
			return errors.New(string(line))
		}
	}
	return nil
}
