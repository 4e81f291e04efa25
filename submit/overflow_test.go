package submit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// RFC 5321, section 4.5.3.1.10: a server has room for a hundred, whoever they are. Those
// who are refused for themselves do not make further transactions smaller: there are as
// many as the server asks for.
func TestUnknownAmongTooMany(t *testing.T) {
	for name, unknown := range map[string]func(i int) bool{
		"nobody":         func(int) bool { return false },
		"nine in ten":    func(i int) bool { return i%10 != 0 },
		"the first":      func(i int) bool { return i < 100 },
		"the first many": func(i int) bool { return i < 1234 },
		"all but one":    func(i int) bool { return i != 2999 },
	} {
		for transfer, offers := range transfers {
			t.Run(fmt.Sprint(name, " ", transfer), func(t *testing.T) {
				t.Parallel()
				d := newDepot(offers...)
				asked, mails := 0, 0
				d.say = func(_ *guest, verb, args string) string {
					switch verb {
					case "MAIL":
						asked = 0
						mails++
					case "RCPT":
						if asked++; asked > 100 {
							return "452 4.5.3 too many recipients"
						}
						if strings.Contains(args, "unknown") {
							return "550 5.1.1 nobody"
						}
					}
					return ""
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					m := posted(0)
					m.To, m.Partial = nil, true
					var known, others []string
					for i := range 3000 {
						to := fmt.Sprintf("r0-%d@example.net", i)
						if unknown(i) {
							to = fmt.Sprintf("unknown-%d@example.net", i)
							others = append(others, to)
						} else {
							known = append(known, to)
						}
						m.To = append(m.To, to)
					}
					receipt, err := w.warm(submit.Submissions).Submit(t.Context(), m)
					require.NoError(t, err)
					require.Equal(t, slices.Sorted(slices.Values(others)), slices.Sorted(slices.Values(recipientsOf(receipt.Refused))))
					for _, refused := range receipt.Refused {
						require.ErrorIs(t, refused, submit.ErrRejected)
					}
					var got []string
					for _, m := range d.tookAll() {
						got = append(got, m.to...)
					}
					require.Equal(t, slices.Sorted(slices.Values(known)), slices.Sorted(slices.Values(got)), "each once")
					require.Equal(t, 30, mails)
				})
			})
		}
	}
}
