package auth_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// unextended is the server's side of one TLS 1.2 handshake by somebody who does not
// know of the extended master secret (RFC 7627): crypto/tls always does. It speaks
// ECDHE-ECDSA with AES-128-GCM and SHA-256 over X25519, and says nothing afterwards.
// Section numbers are RFC 5246's.
type unextended struct {
	net.Conn
	said bytes.Buffer // all handshake messages, section 7.4.9
}

func (u *unextended) handshake(certificate tls.Certificate) error {
	hello, err := u.read(22)
	if err != nil {
		return err
	}
	u.said.Write(hello)
	clientRandom := hello[6:38] // behind the type, the length, and the version

	serverRandom := make([]byte, 32)
	_, _ = rand.Read(serverRandom)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	point := key.PublicKey().Bytes()
	params := append([]byte{3, 0, 29, byte(len(point))}, point...) // RFC 8422, section 5.4
	digest := sha256.Sum256(bytes.Join([][]byte{clientRandom, serverRandom, params}, nil))
	signature, err := certificate.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	leaf := certificate.Certificate[0]
	for _, message := range [][]byte{
		message(2, []byte{3, 3}, serverRandom, []byte{0, 0xc0, 0x2b, 0}), // no session, no extensions
		message(11, vector(3, vector(3, leaf))),
		message(12, params, []byte{4, 3}, vector(2, signature)), // SHA-256 and ECDSA
		message(14),
	} {
		u.said.Write(message)
		if err := u.write(22, message); err != nil {
			return err
		}
	}

	exchange, err := u.read(22)
	if err != nil {
		return err
	}
	u.said.Write(exchange)
	theirs, err := ecdh.X25519().NewPublicKey(exchange[5:]) // behind the type, the length, and its own
	if err != nil {
		return err
	}
	secret, err := key.ECDH(theirs)
	if err != nil {
		return err
	}
	master := prf(secret, "master secret", append(bytes.Clone(clientRandom), serverRandom...), 48) // section 8.1
	keys := prf(master, "key expansion", append(bytes.Clone(serverRandom), clientRandom...), 40)   // section 6.3

	if _, err := u.read(20); err != nil {
		return err
	}
	if _, err := u.read(22); err != nil { // its end, encrypted; whether it is right is not asked
		return err
	}
	u.said.Write(message(20, u.verify(master, "client finished")))
	finished := message(20, u.verify(master, "server finished"))
	if err := u.write(20, []byte{1}); err != nil {
		return err
	}
	return u.write(22, seal(keys[16:32], keys[36:40], finished))
}

func (u *unextended) verify(master []byte, label string) []byte {
	sum := sha256.Sum256(u.said.Bytes())
	return prf(master, label, sum[:], 12)
}

// read returns a record that has one message, as crypto/tls writes them.
func (u *unextended) read(kind byte) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(u, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(u, body); err != nil {
		return nil, err
	}
	if head[0] != kind {
		return nil, errors.New("another kind of record")
	}
	return body, nil
}

func (u *unextended) write(kind byte, body []byte) error {
	_, err := u.Write(append([]byte{kind, 3, 3}, vector(2, body)...))
	return err
}

func message(kind byte, parts ...[]byte) []byte {
	return append([]byte{kind}, vector(3, bytes.Join(parts, nil))...)
}

// vector is data behind its length in n octets.
func vector(n int, data []byte) []byte {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	return append(length[4-n:], data...)
}

// prf is P_SHA256, section 5.
func prf(secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	var out []byte
	for a := seed; len(out) < n; {
		a = mac(secret, a)
		out = append(out, mac(secret, append(bytes.Clone(a), seed...))...)
	}
	return out[:n]
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// seal is the first encrypted record of its direction, RFC 5288, section 3.
func seal(key, salt, message []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	number := make([]byte, 8)
	additional := append(bytes.Clone(number), 22, 3, 3)
	additional = append(additional, vector(2, message)[:2]...)
	return gcm.Seal(bytes.Clone(number), append(bytes.Clone(salt), number...), message, additional)
}

// connectUnextended returns what a client knows of a connection whose master secret
// is not extended.
func connectUnextended(near, far net.Conn, s *site) (*tls.ConnectionState, error) {
	done := make(chan error, 1)
	go func() { done <- (&unextended{Conn: far}).handshake(s.server.Certificates[0]) }()
	c := tls.Client(near, s.client)
	err := c.Handshake()
	if err != nil {
		far.Close()
	}
	if served := <-done; err == nil {
		err = served
	}
	state := c.ConnectionState()
	return &state, err
}
