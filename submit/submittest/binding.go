package submittest

import (
	"crypto/sha256"
	"crypto/tls"
	"strings"

	"github.com/xdg-go/scram"
)

func isPlus(mechanism string) bool { return strings.HasSuffix(strings.ToUpper(mechanism), "-PLUS") }

// binding is what ties SCRAM to the connection: tls-exporter with TLS 1.3 (RFC
// 9266), tls-unique with TLS 1.2 (RFC 5929, section 3), or nothing.
func (d *dialogue) binding() scram.ChannelBinding {
	if d.state == nil {
		return scram.ChannelBinding{}
	}
	// With TLS 1.2 this fails without an extended master secret, and without it
	// tls-unique is not unique: RFC 7627, section 1.
	exported, err := d.state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, sha256.Size)
	switch {
	case err != nil:
		return scram.ChannelBinding{}
	case d.state.Version >= tls.VersionTLS13:
		return scram.ChannelBinding{Type: "tls-exporter", Data: exported}
	}
	return scram.ChannelBinding{Type: "tls-unique", Data: d.state.TLSUnique}
}

// elsewhere is a binding to another connection of the same kind.
func elsewhere(b scram.ChannelBinding) scram.ChannelBinding {
	other := sha256.Sum256(b.Data)
	b.Data = other[:min(len(b.Data), len(other))]
	return b
}
