package submit_test

import (
	"context"
	"testing"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/script"
)

// Each transcript is what one mechanism says. SCRAM has none, since each side makes up
// a nonce.
func TestMechanismTranscripts(t *testing.T) {
	renewing := func(first string) anew {
		return func() auth.Credentials {
			return auth.Token("me", func(_ context.Context, refused string) (string, error) {
				if refused == "" {
					return first, nil
				}
				return "sesame", nil
			})
		}
	}
	script.Player{
		Play: playSubmit,
		Credentials: map[string]auth.Credentials{
			"token":           renewing("sesame"),
			"expired-token":   renewing("expired"),
			"certificate":     certified{auth.External("")},
			"certificate-for": certified{auth.External("boss@example.com")},
			"tim":             auth.Only(auth.Password("tim", "tanstaaftanstaaf"), "CRAM-MD5"),
		},
	}.Run(t, "testdata/mechanisms")
}

// Anew are credentials that keep nothing: transcripts are played each in a bubble of
// its own.
type anew func() auth.Credentials

func (c anew) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	return c().Exchange(ctx, server)
}
