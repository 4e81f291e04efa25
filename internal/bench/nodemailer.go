package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mailport/mailport/internal/bench/letter"
)

// nodemailerVersion is the one to compare with.
const nodemailerVersion = "10.6.0"

const nodemailer = "nodemailer"

//go:embed nodemailer.mjs
var nodemailerScript []byte

// A node is a folder with nodemailer in it.
type node struct{ dir string }

// fetchNodemailer installs nodemailer into a temporary folder, which remove
// removes.
func fetchNodemailer(ctx context.Context) (n *node, err error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("there is no %s here", program)
		}
	}
	dir, err := os.MkdirTemp("", "mailport-bench-")
	if err != nil {
		return nil, err
	}
	n = &node{dir}
	if err := n.install(ctx); err != nil {
		return nil, errors.Join(err, n.remove())
	}
	return n, nil
}

func (n *node) install(ctx context.Context) error {
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", n.dir, "--ignore-scripts", "--no-audit", "--no-fund",
		"--no-save", nodemailer+"@"+nodemailerVersion)
	npm.Dir = n.dir
	if output, err := npm.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		return fmt.Errorf("npm cannot install it: %w: %s", err, lines[len(lines)-1])
	}
	return os.WriteFile(n.script(), nodemailerScript, 0o600)
}

func (n *node) script() string { return filepath.Join(n.dir, "client.mjs") }

func (n *node) remove() error { return os.RemoveAll(n.dir) }

func (n *node) process(ctx context.Context) *process {
	p := &process{Cmd: exec.CommandContext(ctx, "node", "--expose-gc", n.script())}
	p.Env = append(os.Environ(), "MAILPORT_BENCH_MODULES="+n.dir)
	p.Stderr = &p.said
	return p
}

// write gives j what a program in another language needs to make messages.
func (j *job) write() error {
	small := letter.New(j.Target.Size).Text(0)
	j.paper = &paper{Text: small}
	if j.Do != large {
		return nil
	}
	l := letter.NewLarge(j.Size)
	content := l.Content()
	length, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	block, err := io.ReadAll(io.LimitReader(content, int64(l.Cycle())))
	j.paper = &paper{Text: l.Text(0), Warmer: small, Block: block, Content: int(length)}
	return err
}
