//go:build interop && linux

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// The packages are of one release, whatever the machine runs: OpenSMTPD of the one
// before fails every handshake (it was built for OpenSSL 1.1).
const (
	release = "trixie"
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// packages are what is asked for: each line by itself, since its packages exclude
// those of another.
var packages = [...]string{
	"bash coreutils dash diffutils findutils grep libeatmydata1 mawk mount passwd sed",
	"dovecot-core dovecot-submissiond libsasl2-modules postfix sasl2-bin",
	"exim4-daemon-heavy libsasl2-modules sasl2-bin",
	"opensmtpd",
}

// An archive is where packages are kept, with a state of apt's own.
type archive struct {
	dir  string // of this test run
	debs string // the packages
}

// unpack makes a folder that holds all packages, and returns it and the versions of
// those packages. Nothing of them has run.
func unpack(ctx context.Context, dir, keep string) (base string, versions map[string]string, err error) {
	a := archive{dir: filepath.Join(dir, "apt"), debs: keep}
	if a.debs == "" {
		a.debs = filepath.Join(a.dir, "archives")
	}
	if err := a.prepare(ctx); err != nil {
		return "", nil, err
	}
	if _, err := a.apt(ctx, "update"); err != nil {
		return "", nil, err
	}
	names, err := a.wanted(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := a.download(ctx, names); err != nil {
		return "", nil, err
	}
	base, versions = filepath.Join(dir, "base"), make(map[string]string)
	for _, name := range names {
		pkg, version := parts(name)
		versions[pkg] = version
	}
	return base, versions, a.extract(ctx, base, names)
}

// parts returns what is in the name of a package's file: name_version_architecture.deb.
func parts(file string) (name, version string) {
	fields := strings.Split(file, "_")
	return fields[0], strings.ReplaceAll(fields[1], "%3a", ":")
}

// upstream is a version without what is Debian's about it: 1:2.4.1+dfsg1-6 is 2.4.1.
func upstream(version string) string {
	_, after, ok := strings.Cut(version, ":")
	if ok {
		version = after
	}
	return version[:strings.IndexFunc(version+"-", func(r rune) bool { return r == '-' || r == '+' || r == '~' })]
}

func (a archive) prepare(ctx context.Context) error {
	for _, dir := range []string{a.path("lists/partial"), a.path("none/partial"), a.debs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror(ctx), release)
	if err := os.WriteFile(a.path("sources.list"), []byte(source), 0o644); err != nil {
		return err
	}
	return os.WriteFile(a.path("status"), nil, 0o644) // nothing is installed: everything is wanted
}

func (a archive) path(name string) string { return filepath.Join(a.dir, name) }

// mirror is the one that apt knows, or Debian's own.
func mirror(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	for line := range strings.Lines(string(out)) {
		if uri := strings.TrimRight(strings.TrimSpace(line), "/"); strings.HasSuffix(uri, "/debian") {
			return uri
		}
	}
	return "http://deb.debian.org/debian"
}

// apt runs apt-get as the machine configures it, proxies and all, but for what it
// believes to be installed.
func (a archive) apt(ctx context.Context, args ...string) ([]byte, error) {
	options := []string{
		"-q", "-y",
		"-o", "Dir::State=" + a.dir,
		"-o", "Dir::State::lists=" + a.path("lists"),
		"-o", "Dir::State::status=" + a.path("status"),
		"-o", "Dir::Cache=" + a.dir,
		"-o", "Dir::Cache::archives=" + a.path("none"),
		"-o", "Dir::Etc::sourcelist=" + a.path("sources.list"),
		"-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::Etc::preferencesparts=-",
		"-o", "APT::Sandbox::User=root",
		"-o", "APT::Install-Recommends=false",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Acquire::Retries=3",
		"-o", "Debug::NoLocking=1",
	}
	return output(ctx, a.debs, "apt-get", append(options, args...)...)
}

// wanted returns the names of the files of all packages and what they need.
func (a archive) wanted(ctx context.Context) ([]string, error) {
	found, err := each(packages[:], func(list string) ([]string, error) {
		uris, err := a.apt(ctx, append([]string{"--print-uris", "install"}, strings.Fields(list)...)...)
		var names []string
		for line := range strings.Lines(string(uris)) { // 'http://…' name size hash
			if fields := strings.Fields(line); len(fields) == 4 && strings.HasPrefix(line, "'") {
				names = append(names, fields[1])
			}
		}
		return names, err
	})
	names := slices.Concat(found...)
	slices.Sort(names)
	return slices.Compact(names), err
}

// download fetches what is not here yet. apt checks what it fetches.
func (a archive) download(ctx context.Context, names []string) error {
	args := []string{"download"}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(a.debs, name)); err == nil {
			continue
		}
		pkg, version := parts(name)
		args = append(args, pkg+"="+version)
	}
	if len(args) == 1 {
		return nil
	}
	_, err := a.apt(ctx, args...)
	return err
}

// extract unpacks packages.
func (a archive) extract(ctx context.Context, base string, names []string) error {
	// What /bin and the like are in every release of today.
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(base, "usr", name), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(base, name)); err != nil {
			return err
		}
	}
	_, err := each(names, func(name string) (struct{}, error) { return struct{}{}, a.extractOne(ctx, base, name) })
	return err
}

func (a archive) extractOne(ctx context.Context, base, name string) error {
	const script = `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink ` +
		`--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale`
	_, err := output(ctx, "", "sh", "-c", script, "sh", filepath.Join(a.debs, name), base)
	return err
}

// output runs a program of the machine's. It dies with this process.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, args[len(args)-1], err, out.Bytes(), complaint.Bytes())
	}
	return out.Bytes(), nil
}

// each calls do for all of a list, as many at a time as there are processors.
func each[A, B any](list []A, do func(A) (B, error)) ([]B, error) {
	results, errs := make([]B, len(list)), make([]error, len(list))
	work := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range work {
				results[i], errs[i] = do(list[i])
			}
		})
	}
	for i := range list {
		work <- i
	}
	close(work)
	wg.Wait()
	return results, errors.Join(errs...)
}
