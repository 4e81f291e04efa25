package negotiate

import (
	"go/doc/comment"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The whole decision, by hand, once more: what the code says must be what this
// says. Promise 5: fallback happens before authentication, never after.
var decisions = map[failure]verdict{
	unreachable:    next,
	noSuchName:     stop,
	speaksSMTP:     next,
	otherService:   next,
	expectsTLS:     next,
	handshake:      next,
	certificate:    stop,
	unwelcome:      next,
	noSTARTTLS:     nextImplicit,
	injection:      stop,
	authNotOffered: next,
	authRefused:    stop,
	transaction:    stop,
	ended:          stop,
	invalid:        stop,
}

func TestEveryFailureIsDecided(t *testing.T) {
	require.Len(t, decisions, int(failures))
	for f, want := range decisions {
		for _, prefer := range []Mode{ImplicitTLS, STARTTLS} {
			require.Equal(t, want, may(Policy{Prefer: prefer}, f), "%v, %v first", f, prefer)
			require.Equal(t, stop, may(Policy{Prefer: prefer, FailClosed: true}, f), "%v, %v alone", f, prefer)
		}
	}
	require.Equal(t, stop, may(Policy{}, failures), "what is not known stops")
}

// The table in the package documentation is the one that the code follows.
func TestDocumentationHasTheTable(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^//\t(\S.*?)  +(next, implicit TLS only|next|stop)$`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, rows, int(failures))
	for i, row := range rows {
		f := failure(i)
		require.True(t, strings.HasPrefix(row[1], f.String()), "row %q is for %q", row[1], f)
		require.Equal(t, decisions[f].String(), row[2], row[1])
	}
	require.NotNil(t, new(comment.Parser).Parse(string(source)))
}

func TestPolicyDefaults(t *testing.T) {
	require.Equal(t, DefaultHeadStart, Policy{}.headStart())
	require.Equal(t, 6*100*DefaultHeadStart/300, Policy{}.readyWithin(100*DefaultHeadStart/300), "six times the connect time")
	require.Equal(t, DefaultHeadStart, Policy{}.readyWithin(1), "but 300 ms at least")
}
