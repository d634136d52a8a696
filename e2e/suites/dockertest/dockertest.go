// Package dockertest stands in for the one that starts containers: it starts the program of OpenBao, which is all that the
// suites want a container for.
//
// OPENFLUX_OPENBAO names the program. Where it is not set nothing is started, and what needs a Vault fails.
package dockertest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	program = "OPENFLUX_OPENBAO"
	// The environment in which containers of OpenBao find the token of their administrator.
	token    = "BAO_DEV_ROOT_TOKEN_ID="
	patience = 30 * time.Second
)

// Pool is where servers are started.
type Pool struct {
	started bool
}

// Resource is a server, or nothing where there is no program.
type Resource struct {
	server *exec.Cmd
	port   string
}

// NewPool gives a pool; there is no endpoint to be asked.
func NewPool(string) (*Pool, error) {
	return &Pool{}, nil
}

// Run starts a server on a port of its own, as an image of it would be started with the environment.
func (p *Pool) Run(repository, _ string, environment []string) (*Resource, error) {
	path := os.Getenv(program)
	if path == "" {
		fmt.Println("There is no OpenBao: what needs a Vault will fail")
		return &Resource{port: "1"}, nil
	}
	if repository != "openbao/openbao" {
		return nil, fmt.Errorf("there is no program for the image %s", repository)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	arguments := []string{"server", "-dev", "-dev-no-store-token", "-dev-listen-address=" + address}
	for _, entry := range environment {
		if value, found := strings.CutPrefix(entry, token); found {
			arguments = append(arguments, "-dev-root-token-id="+value)
		}
	}
	server := exec.Command(path, arguments...)
	server.Env = append(os.Environ(), environment...)
	if err := server.Start(); err != nil {
		return nil, err
	}
	p.started = true
	return &Resource{server: server, port: port}, nil
}

// Retry does something until it succeeds, for as long as a server takes to start.
func (p *Pool) Retry(try func() error) error {
	if !p.started {
		return nil
	}
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("still after %s: %w", patience, err)
}

// Purge ends a server.
func (p *Pool) Purge(resource *Resource) error {
	if resource.server == nil {
		return nil
	}
	return errors.Join(resource.server.Process.Kill(), resource.server.Process.Release())
}

// GetPort gives the port that the server listens on, whatever it is called inside of a container.
func (r *Resource) GetPort(string) string {
	return r.port
}
