package auth_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A walk goes through a value as a debugger does, or a printer that asks no method:
// through unexported fields, pointers, interfaces and maps. A closure is where it ends.
type walk struct {
	seen  map[visit]bool
	found []string // every text and all octets that it came upon
}

type visit struct {
	at   unsafe.Pointer
	what reflect.Type
}

func walked(v any) []string {
	w := &walk{seen: make(map[visit]bool)}
	holder := &struct{ v any }{v}
	w.through(reflect.ValueOf(holder))
	return w.found
}

func (w *walk) through(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if at := (visit{v.UnsafePointer(), v.Type()}); !v.IsNil() && !w.seen[at] {
			w.seen[at] = true
			w.through(v.Elem())
		}
	case reflect.Interface:
		w.through(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			w.through(v.Field(i))
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			w.through(i.Key())
			w.through(i.Value())
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.found = append(w.found, octets(v))
			return
		}
		for i := range v.Len() {
			w.through(v.Index(i))
		}
	case reflect.String:
		w.found = append(w.found, v.String())
	case reflect.UnsafePointer: // as in an atomic.Pointer: the context of who derives keys
	default: // numbers, channels, functions
	}
}

func octets(v reflect.Value) string {
	var text strings.Builder
	for i := range v.Len() {
		text.WriteByte(byte(v.Index(i).Uint()))
	}
	return text.String()
}

// keys are what SCRAM derives of the password: as good as the password, for who has
// them (RFC 5802, section 9).
func keys(t *testing.T) (forms []string) {
	for _, h := range hashes {
		stored := storedFor(t, h.name, username, password)
		for _, key := range [][]byte{stored.StoredKey, stored.ServerKey} {
			forms = append(forms, string(key), base64.StdEncoding.EncodeToString(key), hex.EncodeToString(key))
		}
	}
	return forms
}

// What holds a secret, or did something with it, has it behind a closure only: not
// even what asks no method how a value wants to be printed can find it.
func TestSecretsCannotBeReached(t *testing.T) {
	derived := keys(t)
	for name, value := range secretive(t) {
		for _, text := range walked(value) {
			require.Empty(t, givenAway(text), "%s has %q", name, text)
			for _, key := range derived {
				require.NotContains(t, text, key, "%s has a key", name)
			}
		}
	}
}

// The walk can find what there is, wherever it is.
func TestWalkArrives(t *testing.T) {
	type inner struct{ secret any }
	type outer struct{ m map[string]*inner }
	for _, hidden := range []any{password, []byte(password), [5]byte([]byte(password)), &inner{password}, fmt.Errorf("at %s", password)} {
		value := outer{m: map[string]*inner{"x": {[]any{hidden}}}}
		require.Contains(t, strings.Join(walked(&value), "\n"), password[:5], "%T", hidden)
	}
}
