package auth

import (
	"crypto/tls"
	"runtime/metrics"
	"strings"

	"github.com/xdg-go/scram"
)

// bindingOf returns what ties an authentication to its TLS connection, so that
// nobody can pass it on over another: tls-exporter (RFC 9266) with TLS 1.3,
// tls-unique (RFC 5929, section 3) with TLS 1.2 if the master secret is extended
// (RFC 7627; without it, connections with two servers can be made to have the
// same), or none.
func bindingOf(state *tls.ConnectionState) (scram.ChannelBinding, bool) {
	if state == nil {
		return scram.ChannelBinding{}, false
	}
	// With TLS 1.2 exporting works with an extended master secret only, and so
	// tells whether there is one, if nobody had crypto/tls export all the same.
	exporter, ok := exporterOf(state)
	switch {
	case !ok:
		return scram.ChannelBinding{}, false
	case state.Version >= tls.VersionTLS13:
		return exporter, true
	case len(state.TLSUnique) > 0 && !exportedUnsafely():
		return scram.NewTLSUniqueBinding(state.TLSUnique), true
	}
	return scram.ChannelBinding{}, false
}

// exporterOf is the binding of RFC 9266. A state that no handshake has made, but
// somebody's test, has nothing to export, and panics.
func exporterOf(state *tls.ConnectionState) (b scram.ChannelBinding, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	b, err := scram.NewTLSExporterBinding(state)
	return b, err == nil
}

// exportedUnsafely reports whether any connection of this program has exported
// without an extended master secret, as GODEBUG=tlsunsafeekm=1 allows. It may have
// been another one than the one in question; when in doubt, nothing is bound.
func exportedUnsafely() bool {
	count := []metrics.Sample{{Name: "/godebug/non-default-behavior/tlsunsafeekm:events"}}
	metrics.Read(count)
	return count[0].Value.Kind() == metrics.KindUint64 && count[0].Value.Uint64() > 0
}

func isPlus(mechanism string) bool {
	return strings.HasPrefix(mechanism, "SCRAM-") && strings.HasSuffix(mechanism, "-PLUS")
}
