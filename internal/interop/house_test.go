//go:build interop && linux

package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
)

const (
	loopback = "127.0.0.1"
	host     = "mail.example.com" // what every server calls itself

	user     = "bob@example.com"
	odd      = "b=o,b@example.com" // SCRAM has to escape it
	password = "b=o,b wörd"

	tokenKey = "a secret for tests of 32 octets!" // signs OAuth tokens

	limit     = 52_000_000 // octets of a message, everywhere
	mailboxes = 100        // u1@example.net and so on, beside ann, bob and carol
)

// A house is what the boxes have in common.
type house struct {
	dir  string
	base string // all packages, unpacked

	versions map[string]string // of the packages

	ca     *testcert.CA
	leaf   tls.Certificate // every server's
	ports  *ports
	matrix *matrix
}

// newHouse fetches the servers. It takes some ten seconds.
func newHouse(t *testing.T) *house {
	if err := lacking(); err != nil {
		impossible(t, err)
	}
	h := &house{dir: tidy(t), ca: testcert.New(), ports: new(ports), matrix: newMatrix()}
	h.leaf = h.ca.Leaf(host, loopback)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	began := time.Now()
	base, versions, err := unpack(ctx, h.dir, *packagesDir)
	if err != nil {
		impossible(t, err)
	}
	t.Logf("the servers were fetched and unpacked in %v", time.Since(began).Round(time.Second/10))
	h.base, h.versions = base, versions
	return h
}

// box makes the box of a server, and opens it.
func (h *house) box(t *testing.T, name string, values map[string]any, trees ...string) *box {
	b := &box{root: filepath.Join(h.dir, name), free: h.ports.free, ports: make(map[string]int)}
	_, err := output(t.Context(), "", "cp", "-al", h.base, b.root)
	require.NoError(t, err)
	all := h.values()
	maps.Copy(all, values)
	for _, tree := range trees {
		require.NoError(t, b.furnish(filepath.Join("testdata", tree), all))
	}
	require.NoError(t, b.write("etc/ca.pem", h.ca.PEM(), 0o644))
	require.NoError(t, b.write("etc/cert.pem", certificatePEM(h.leaf), 0o644))
	require.NoError(t, b.write("etc/key.pem", keyPEM(t, h.leaf), 0o600))
	t.Cleanup(b.kill)
	if err := b.open(); err != nil {
		impossible(t, err)
	}
	return b
}

// values are what the templates know everywhere.
func (h *house) values() map[string]any {
	names := []string{"ann", "bob", "carol"}
	for i := range mailboxes {
		names = append(names, fmt.Sprintf("u%d", i+1))
	}
	type mechanism struct{ Name, Mechanism string }
	var cyrus []mechanism
	for _, m := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		cyrus = append(cyrus, mechanism{strings.ReplaceAll(m, "-", "_"), m})
	}
	return map[string]any{
		"User": user, "Odd": odd, "Password": password,
		"Key":   base64.StdEncoding.EncodeToString([]byte(tokenKey)),
		"Limit": limit, "Mailboxes": names, "Cyrus": cyrus,
		"Submission": false,
	}
}

func certificatePEM(c tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

func keyPEM(t *testing.T, c tls.Certificate) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
