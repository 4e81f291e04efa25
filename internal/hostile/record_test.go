package hostile

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
)

// Types of TLS records, RFC 8446, section 5.1.
const (
	changeCipherSpec = 20
	alert            = 21
	ofHandshake      = 22
	applicationData  = 23
)

// record is a TLS record in cleartext.
func record(kind byte, payload string) string {
	return string([]byte{kind, 3, 3, byte(len(payload) >> 8), byte(len(payload))}) + payload
}

// A sealer writes TLS records of its own making in place of crypto/tls, which would
// write none that is out of order. It knows AES-128-GCM with SHA-256, in TLS 1.2
// (RFC 5288) and 1.3.
type sealer struct {
	net.Conn // to read from
	raw      net.Conn
	aead     cipher.AEAD
	iv       []byte
	seq      uint64
	tls12    bool
	last     []byte // what was written last as a reply
	most     int    // octets a record; 0: 16 KiB
}

// handshakesItself begins TLS, and writes all records after that by itself.
func handshakesItself(v *villain) {
	var secrets bytes.Buffer
	tap := &tap{Conn: v.raw}
	v.tls.KeyLogWriter = &secrets
	v.tls.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	t := tls.Server(tap, v.tls)
	if t.Handshake() != nil {
		v.over = true
		return
	}
	v.secure = true
	s := &sealer{Conn: t, raw: v.raw, tls12: t.ConnectionState().Version == tls.VersionTLS12}
	if s.tls12 {
		s.keys12(secret(secrets.String(), "CLIENT_RANDOM"), tap.first)
	} else {
		s.keys13(secret(secrets.String(), "SERVER_TRAFFIC_SECRET_0"))
	}
	v.speakOver(s)
}

// tap keeps what is written first: the ServerHello.
type tap struct {
	net.Conn
	first []byte
}

func (t *tap) Write(p []byte) (int, error) {
	if t.first == nil {
		t.first = bytes.Clone(p)
	}
	return t.Conn.Write(p)
}

// secret finds what a key log has under a label: the client's random octets and the secret.
func secret(log, label string) (found [2][]byte) {
	for line := range bytes.Lines([]byte(log)) {
		if words := bytes.Fields(line); string(words[0]) == label {
			found[0] = must(hex.DecodeString(string(words[1])))
			found[1] = must(hex.DecodeString(string(words[2])))
		}
	}
	return found
}

// keys13 is RFC 8446, section 7.3.
func (s *sealer) keys13(of [2][]byte) {
	expand := func(label string, n int) []byte {
		label = "tls13 " + label
		info := append([]byte{0, byte(n), byte(len(label))}, label...)
		return must(hkdf.Expand(sha256.New, of[1], string(append(info, 0)), n))
	}
	s.aead, s.iv = gcm(expand("key", 16)), expand("iv", 12)
}

// keys12 is RFC 5246, section 6.3. The server's random octets are in the ServerHello,
// behind the headers of record and message and the version.
func (s *sealer) keys12(of [2][]byte, serverHello []byte) {
	seed := append([]byte("key expansion"), serverHello[11:43]...)
	seed = append(seed, of[0]...)
	mac := func(b ...[]byte) []byte {
		h := hmac.New(sha256.New, of[1])
		h.Write(bytes.Join(b, nil))
		return h.Sum(nil)
	}
	var block []byte
	for a := mac(seed); len(block) < 40; a = mac(a) {
		block = append(block, mac(a, seed)...)
	}
	s.aead, s.iv = gcm(block[16:32]), block[36:40]
	s.seq = 1 // Finished was the first
}

func gcm(key []byte) cipher.AEAD { return must(cipher.NewGCM(must(aes.NewCipher(key)))) }

// Write writes application data.
func (s *sealer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		piece := rest[:min(len(rest), cmp.Or(s.most, 16<<10))]
		s.last = s.seal(applicationData, string(piece))
		if _, err := s.raw.Write(s.last); err != nil {
			return 0, err
		}
		rest = rest[len(piece):]
	}
	return len(p), nil
}

// seal makes the next record.
func (s *sealer) seal(kind byte, payload string) []byte {
	number := binary.BigEndian.AppendUint64(nil, s.seq)
	s.seq++
	if s.tls12 {
		length := len(payload)
		aad := append(bytes.Clone(number), kind, 3, 3, byte(length>>8), byte(length))
		sealed := s.aead.Seal(bytes.Clone(number), append(bytes.Clone(s.iv), number...), []byte(payload), aad)
		return []byte(record(kind, string(sealed)))
	}
	nonce := bytes.Clone(s.iv)
	for i := range number {
		nonce[4+i] ^= number[i]
	}
	length := len(payload) + 1 + s.aead.Overhead()
	header := []byte{applicationData, 3, 3, byte(length >> 8), byte(length)}
	return append(header, s.aead.Seal(nil, nonce, append([]byte(payload), kind), header)...)
}

// seals says something in a record of its own, of whatever type.
func seals(kind byte, payload string) move {
	return func(v *villain) {
		s, ok := v.conn.(*sealer)
		if !ok {
			panic(fmt.Sprintf("%s: records are written by crypto/tls", v.now))
		}
		v.evidence.watchHeap()
		if _, err := v.raw.Write(s.seal(kind, payload)); err != nil {
			v.over = true
		}
	}
}
