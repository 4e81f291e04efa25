package fuzzsession

import (
	"testing"
	"testing/synctest"
)

// FuzzSession has a client submit messages to servers that say and do anything.
func FuzzSession(f *testing.F) {
	for i, s := range seeds() {
		if !raced || i%8 == 0 {
			f.Add(uint16(s.setting), s.implicit, s.upgraded)
		}
	}
	f.Fuzz(func(t *testing.T, s uint16, implicit, upgraded string) {
		synctest.Test(t, func(t *testing.T) { play(t, setting(s), implicit, upgraded) })
	})
}
