package fuzzsession

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A seed is an input to begin with.
type seed struct {
	setting            setting
	implicit, upgraded string
}

// wrongs are what a server does in place of what a good one does.
var wrongs = [...]string{
	"\x01554 5.7.1 no\n\x14",
	"\x01250 ok\n250 ok\n\x14",
	"\x01\x14",
	"\x01354 go on\n\x14",
	"\x01250 2.0.0 o",
	"\x01\x1b[2J\n",
	"\x01250-ok\n550 not ok\n\x14",
	"\x01\x12\x14",
	"\x02250 ok\n250 ok\n354 go on\n\x14",
	"\x02250 ok\n250 ok\n250 ok\n250 ok\n\x14",
	"\x02250 ok\n550 no\n354 go on\n\x14",
	"\x01250 ok\n\x01550 5.1.1 no\n\x14",
	"\x01250 ok\n\x01250 ok\n\x01452 4.5.3 too many\n\x14",
	"\x01421 4.3.2 bye\n\x06",
	"\x0f421 4.3.2 bye\n\x06",
	"\x0f250 2.0.0 early\n\x14",
	"\x01250 \x10\x10ok\x0b\x14",
	"\x01502 5.5.1 what?\n\x14",
	"\x01504 5.5.4 not that\n\x14",
	"\x01535 5.7.8 no\n\x14",
	"\x01334 \n\x16\n\x14",
	"\x01\x16\x14",
	"\x01550-\x16\x16\n\x14",
	"\x01250-x\n\x15",
	"\x01550-5.7.1 no, no, never, not for anybody, at no time, and in no way\n550-\xf0\x9f\x92\xa9\xf0\x9f\x92\xa9\xf0\x9f\x92\xa9\n\x15550 ok\n",
	"\x01250 ok\n\x15",
	"\x01x\x15",
	"\x0e250 ok\n\x0e\x14",
	"\x0e\x15\x03\x03\x00\x02\x01\x00\x0e\x14",
	"\x05\x14",
	"\x04\x14",
	"\x06",
	"\x01\x06",
	"\x02\x06",
	"\x01\x07",
	"\x02\x08",
	"\x01\x0c",
	"\x06\x00\x14",
	"\x01220 go\n250 ok\n\x04\x14",
	"\x01250 ok\n250 ok\n\x13\x01554 5.7.1 spam\n\x14",
	"\x01250 ok\n250 ok\n\x13\x13\x01554 5.7.1 spam\n\x14",
	"\x01250 ok\n250 ok\n\x13\x13\x13\x01554 5.7.1 spam\n\x14",
	"\x01354 go on\n250 2.0.0 early\n\x01554 5.7.1 no\n\x14",
	"\x01354 go on\n\x10250 2.0.0 early\n\x01554 5.7.1 no\n\x14",
	"\x01550 5.7.1 no, \x16\n\x14",
	"\x01550 5.7.1 " + many + many + many + many + "\n\x14",
	"\x01421 4.3.2 bye\n\x06\x00\x13\x13\x13\x13\x01550 no\n\x14",
}

const many = some + some + some + some + some

const some = "not for anybody at all. not for anybody at all. not for anybody at all. not for anybody at all. \u00e9"

// deep is how many times a server is good at most before it does what is wrong.
const deep = 14

// seeds are good servers, and such as are good for a while.
func seeds() (all []seed) {
	for w := range upgradeFirst + 1 {
		for j := range exotic + 1 {
			all = append(all, seed{goodSetting(int(w)+int(j), w, j), string(allGood), string(allGood)})
		}
	}
	all = append(all, seed{set(upgradeOnly, one, pipelining, byPassword), "", "\x13\x13\x01220 go\n250 ok\n\x04\x14"})
	n := 0
	for i, wrong := range wrongs {
		for k := range 2 * deep {
			n++
			w, j := way(n&3), job((n/4+i)%8)
			if k >= deep {
				w, j = way(n&1), []job{one, large}[n/2&1]
			}
			script := strings.Repeat(string(good), k%deep) + wrong
			all = append(all, seed{goodSetting(n/3+k, w, j), script, script})
		}
	}
	return all
}

// goodSetting is one in which all can go well.
func goodSetting(n int, w way, j job) setting {
	offers := []int{pipelining, pipelining | chunking, pipelining | extras, chunking, 0, pipelining | chunking | limits}[n%6]
	switch j {
	case three, wide:
		offers &^= limits // it would be too many at once
	case exotic:
		offers |= extras
	case one, partial, large, batch, queue:
	}
	s := set(w, j, offers, login(n/2&3))
	if n%7 == 0 {
		s |= withTLS12
	}
	if n%5 == 4 {
		s |= withDeadline
	}
	return s
}

// What is good comes to a good end: or else nothing gets deep.
func TestGood(t *testing.T) {
	for n := range 24 {
		for w := range upgradeFirst + 1 {
			s := goodSetting(n, w, job(n%8))
			t.Run(fmt.Sprintf("%d/%d", n, w), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := play(t, s, string(allGood), string(allGood))
					for n := range s.messages() {
						require.NoError(t, x.results[n+1].Err)
					}
				})
			})
		}
	}
}
