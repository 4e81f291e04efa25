package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/bench/sink"
)

// role is the environment variable that makes this program, when it starts
// itself, one of the others.
const role = "MAILPORT_BENCH_ROLE"

// The roles.
const (
	asStage  = "stage"
	asClient = "client"
)

// play runs this process as what it was started as, and reports whether that is
// another than the one that a user started.
func play(ctx context.Context) (played bool, err error) {
	switch os.Getenv(role) {
	case "":
		return false, nil
	case asStage:
		return true, perform(ctx, os.Stdin, os.Stdout)
	case asClient:
		return true, work(ctx, os.Stdin, os.Stdout)
	}
	return true, fmt.Errorf("%s=%q is no role", role, os.Getenv(role))
}

// A process is this program in another role, or another program.
type process struct {
	*exec.Cmd
	said bytes.Buffer // on standard error
}

func newProcess(ctx context.Context, as string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.CommandContext(ctx, self)}
	p.Env = append(os.Environ(), role+"="+as)
	p.Stderr = &p.said
	return p, nil
}

// failed adds to err what the process said of it.
func (p *process) failed(err error) error {
	if said := strings.TrimSpace(p.said.String()); err != nil && said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// longest is how long no job takes, unless something is broken.
const longest = 5 * time.Minute

// do has a client do a job in a process of its own.
func (r *runner) do(ctx context.Context, j job) (o outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errors.New("it hangs"))
	defer cancel()
	if j.Client == nodemailer {
		if err := j.write(); err != nil {
			return o, err
		}
	}
	p, err := r.client(ctx, j.Client)
	if err != nil {
		return o, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return o, err
	}
	p.Stdin = bytes.NewReader(text)
	output, err := p.Output()
	if err != nil {
		return o, fmt.Errorf("%s: %w", j.Client, p.failed(errors.Join(context.Cause(ctx), err)))
	}
	if err := json.Unmarshal(output, &o); err != nil {
		return o, fmt.Errorf("%s: %w: %q", j.Client, err, output)
	}
	return o, nil
}

// servers is the stage, seen from the process that directs.
type servers struct {
	*process
	mu      sync.Mutex
	orders  *json.Encoder
	answers *json.Decoder
	input   io.Closer
}

func openStage(ctx context.Context) (*servers, error) {
	p, err := newProcess(ctx, asStage)
	if err != nil {
		return nil, err
	}
	in, err := p.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s := &servers{process: p, orders: json.NewEncoder(in), answers: json.NewDecoder(out), input: in}
	return s, p.Start()
}

// Close waits for the process to end.
func (s *servers) Close() error { return s.failed(errors.Join(s.input.Close(), s.Wait())) }

func (s *servers) order(o order) (a answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = s.orders.Encode(o); err == nil {
		err = s.answers.Decode(&a)
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("the servers' process: %w", s.failed(err))
	case a.Error != "":
		return a, errors.New(a.Error)
	}
	return a, nil
}

// open starts a server.
func (s *servers) open(setting sink.Setting) (*server, error) {
	a, err := s.order(order{Open: &setting})
	if err != nil {
		return nil, err
	}
	return &server{stage: s, answer: a}, nil
}

// broken starts a port that does not work.
func (s *servers) broken(how string) (port int, err error) {
	a, err := s.order(order{Fault: how})
	return a.Port, err
}

// A server is one of the stage's.
type server struct {
	stage *servers
	answer
}

func (s *server) tally() (sink.Tally, error) {
	a, err := s.stage.order(order{Tally: &s.Server})
	return a.Tally, err
}
