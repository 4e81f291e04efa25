package submit_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A walk goes through a value as a debugger does: through unexported fields, pointers,
// interfaces, maps, and slices as far as their memory goes. It ends at closures.
type walk struct {
	seen  map[visit]bool
	found strings.Builder // every text and all octets
}

type visit struct {
	at   unsafe.Pointer
	what reflect.Type
}

func walked(v any) string {
	w := &walk{seen: make(map[visit]bool)}
	w.through(reflect.ValueOf(&struct{ v any }{v}))
	return w.found.String()
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
	case reflect.Slice:
		w.along(v.Slice(0, v.Cap()))
	case reflect.Array:
		w.along(v)
	case reflect.String:
		w.found.WriteString(v.String() + "\n")
	default: // numbers, channels, functions
	}
}

func (w *walk) along(v reflect.Value) {
	switch {
	case v.Type().Elem().Kind() != reflect.Uint8:
		for i := range v.Len() {
			w.through(v.Index(i))
		}
	case v.Kind() == reflect.Slice:
		w.found.WriteString(string(v.Bytes()) + "\n")
	}
}

// Promise 9: a session that has authenticated, or has failed to, keeps no secret where
// one could come upon it: not even the buffer of what it said.
func TestSecretsAreNotKept(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"", "535 5.7.8 no", "454 4.7.0 later", "334 not base64!", "421 bye"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2"} {
			instruct := dialogue("334 "+base64Of("<4711@example.com>"), reply, "501 5.7.0 cancelled")
			switch {
			case reply == "" && mechanism == "LOGIN":
				instruct = dialogue("334 ", "334 ", "235 2.7.0 ok")
			case reply == "" && mechanism == "CRAM-MD5":
				instruct = dialogue("334 "+base64Of("<4711@example.com>"), "235 2.7.0 ok")
			case reply == "":
				instruct = dialogue("235 2.7.0 ok")
			case mechanism == "LOGIN":
				instruct = dialogue("334 ", "334 ", reply, "501 5.7.0 cancelled")
			case mechanism == "PLAIN":
				instruct = dialogue(reply, "501 5.7.0 cancelled")
			}
			withClerk(t, all(only("AUTH "+mechanism), instruct), func(t *testing.T, c *clerk) {
				config := c.config()
				config.Credentials = credentialsFor(mechanism, password)
				s := c.session(config)
				err := s.Auth(t.Context())
				require.Equal(t, reply == "", err == nil, err)
				synctest.Wait() // the walk comes upon the network, too
				found := walked(s) + walked(err) + walked(config) + walked(&submit.Pool{Transport: &submit.ImplicitTLS{Config: config}})
				require.Contains(t, found, host, "the walk arrives")
				for form, secret := range forms(user, password) {
					require.NotContains(t, found, secret, "%s, after %q: %s", mechanism, reply, form)
				}
				digest, _ := base64.StdEncoding.DecodeString(c.heard()[min(2, len(c.heard())-1)])
				require.True(t, mechanism != "CRAM-MD5" || !strings.Contains(found, string(digest)))
			})
		}
	}
}
