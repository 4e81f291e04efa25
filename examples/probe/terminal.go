package main

import (
	"cmp"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mailport/mailport/negotiate"
)

// terminal says what stdout is. What is no terminal gets plain text: it may be a
// log, or somebody's mail.
func terminal(stdout io.Writer, env func(string) string) negotiate.Terminal {
	return terminalOf(isTerminal(stdout), env)
}

func terminalOf(isTerminal bool, env func(string) string) (t negotiate.Terminal) {
	if columns, err := strconv.Atoi(env("COLUMNS")); err == nil && columns > 0 {
		t.Width = columns
	}
	dumb := env("TERM") == "" || env("TERM") == "dumb"
	t.Unicode = isTerminal && isUTF8(env)
	t.Color = isTerminal && !dumb && env("NO_COLOR") == "" // https://no-color.org
	return t
}

// isUTF8 asks the first of the variables that is set, as POSIX has it.
func isUTF8(env func(string) string) bool {
	locale := strings.ToLower(cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
