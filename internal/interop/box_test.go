//go:build interop && linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// A box is what a server lives in: a root, and namespaces for mounts, processes and
// the host's name. When its first process ends all others do.
type box struct {
	root  string
	free  func() (int, error)
	ports map[string]int // by a name that the templates know
	cmd   *exec.Cmd
	say   *os.File // commands, to the first process
	hear  *os.File // what became of them
	lines *bufio.Reader
}

// furnish copies a tree into the root. Each file is a template.
func (b *box) furnish(tree string, values map[string]any) error {
	return filepath.WalkDir(tree, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(tree, name)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		// Braces and brackets mean something to the servers.
		t, err := template.New(name).Delims("«", "»").Option("missingkey=error").Funcs(template.FuncMap{"port": b.port}).Parse(string(text))
		if err != nil {
			return err
		}
		var filled bytes.Buffer
		if err := t.Execute(&filled, values); err != nil {
			return err
		}
		return b.write(rel, filled.Bytes(), 0o644)
	})
}

// write puts a file into the root. What was there is shared with the other boxes,
// so it is not written to but replaced.
func (b *box) write(name string, data []byte, mode fs.FileMode) error {
	name = filepath.Join(b.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(name, data, mode)
}

// port returns the port of a name, a free one the first time.
func (b *box) port(name string) (int, error) {
	if port, ok := b.ports[name]; ok {
		return port, nil
	}
	port, err := b.free()
	b.ports[name] = port
	return port, err
}

// first is what a box's first process does: it makes the few devices that servers
// need, and then what it is told. It is a shell that reaps: servers leave it their
// children.
const first = `export PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8
mount -t proc proc /proc && mount -t tmpfs -o mode=755 tmpfs /dev || exit
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/zero c 1 5; mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8; mknod -m 666 /dev/urandom c 1 9
ln -s /proc/self/fd /dev/fd; ln -s fd/2 /dev/stderr
echo mail.example.com >/proc/sys/kernel/hostname
echo ready
while read -r command; do
	eval "$command" </dev/null >>/var/log/box.log 2>&1
	echo $?
done`

// open starts the first process.
func (b *box) open() error {
	b.cmd = exec.Command("/bin/bash", "--norc", "-c", first)
	b.cmd.Dir = "/"
	// A crash ends processes here and not the machine, so nothing has to be on disk:
	// that would take most of the time.
	b.cmd.Env = []string{"HOME=/root", "LD_PRELOAD=libeatmydata.so"}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:       b.root,
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS, // private: nothing is seen outside
		Setsid:       true,
	}
	var complaint bytes.Buffer
	b.cmd.Stderr = &complaint
	in, say, err := os.Pipe()
	if err != nil {
		return err
	}
	hear, out, err := os.Pipe()
	if err != nil {
		return err
	}
	b.cmd.Stdin, b.cmd.Stdout, b.say, b.hear, b.lines = in, out, say, hear, bufio.NewReader(hear)
	err = b.cmd.Start()
	in.Close()
	out.Close()
	if err != nil {
		b.say.Close()
		b.hear.Close()
		b.cmd = nil
		return fmt.Errorf("a root and namespaces of its own: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if line, err := b.answer(ctx); line != "ready" {
		b.kill()
		return fmt.Errorf("the box does not open: %q, %w %s", line, err, complaint.Bytes())
	}
	return nil
}

// run has the box run a command. What it prints goes to the box's log.
func (b *box) run(ctx context.Context, command string) error {
	if _, err := fmt.Fprintln(b.say, command); err != nil {
		return err
	}
	line, err := b.answer(ctx)
	if err == nil && line != "0" {
		err = fmt.Errorf("exit status %s", line)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, b.log())
	}
	return nil
}

func (b *box) answer(ctx context.Context) (string, error) {
	stop := context.AfterFunc(ctx, func() { b.hear.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := b.lines.ReadString('\n')
	return strings.TrimSpace(line), err
}

// kill ends everything in the box at once, as a crash would.
func (b *box) kill() {
	if b.cmd == nil {
		return
	}
	b.cmd.Process.Kill()
	b.cmd.Wait()
	b.say.Close()
	b.hear.Close()
	b.cmd = nil
}

// log returns the ends of the logs, for a test that failed.
func (b *box) log() string {
	var all strings.Builder
	for _, pattern := range []string{"var/log/*.log", "var/log/exim4/*log"} {
		names, _ := filepath.Glob(filepath.Join(b.root, pattern))
		for _, name := range names {
			text, _ := os.ReadFile(name)
			fmt.Fprintf(&all, "-- %s --\n%s\n", name, text[max(0, len(text)-2000):])
		}
	}
	return all.String()
}
