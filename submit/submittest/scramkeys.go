package submittest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/xdg-go/scram"
)

// usualIterations is what RFC 7677, section 4, asks for at least.
const usualIterations = 4096

// scramKeys is what a server stores in place of passwords, RFC 5802, section 3.
// It is kept, since to derive it is slow on purpose.
type scramKeys struct {
	mu   sync.Mutex // guards kept; held while keys are derived, so that it is done once
	kept map[scramUser]scram.StoredCredentials
}

type scramUser struct {
	hash, user, password string
	iterations           int
}

func newScramKeys() *scramKeys {
	return &scramKeys{kept: make(map[scramUser]scram.StoredCredentials)}
}

// of returns the keys of u, whose name and password are prepared with SASLprep
// (RFC 4013) first.
func (k *scramKeys) of(u scramUser, hash scram.HashGeneratorFcn) (scram.StoredCredentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if keys, ok := k.kept[u]; ok {
		return keys, nil
	}
	client, err := hash.NewClient(u.user, u.password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: rand.Text(), Iters: u.iterations})
	if err == nil {
		k.kept[u] = keys
	}
	return keys, err
}

// nobodys returns keys that no password has, for a user who does not exist: that
// there is no such user must not show before the proof is refused.
func nobodys(hash scram.HashGeneratorFcn, iterations int) scram.StoredCredentials {
	key := func() []byte {
		key := make([]byte, hash().Size())
		_, _ = rand.Read(key) // does not fail
		return key
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: rand.Text(), Iters: iterations},
		StoredKey:  key(),
		ServerKey:  key(),
	}
}

// hashOf returns the hash of a SCRAM mechanism, or nil of another one.
func hashOf(mechanism string) scram.HashGeneratorFcn {
	switch strings.TrimSuffix(mechanism, "-PLUS") {
	case "SCRAM-SHA-1":
		return scram.SHA1
	case "SCRAM-SHA-256":
		return scram.SHA256
	case "SCRAM-SHA-512":
		return scram.SHA512
	}
	return nil
}

// name tells the keys of one hash from those of another.
func nameOf(hash scram.HashGeneratorFcn) string { return fmt.Sprintf("%T %d", hash(), hash().Size()) }
