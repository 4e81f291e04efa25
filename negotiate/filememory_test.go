package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// fileMemory is in a directory of its own, with nothing in it, and must not fail.
func fileMemory(t testing.TB) *negotiate.FileMemory {
	return &negotiate.FileMemory{
		Path:    filepath.Join(t.TempDir(), "memory.json"),
		OnError: func(err error) { t.Errorf("nothing should fail: %v", err) },
	}
}

// toldBy makes m tell us instead.
func toldBy(m *negotiate.FileMemory) *[]error {
	errs := new([]error)
	m.OnError = func(err error) { *errs = append(*errs, err) }
	return errs
}

// beside lists what is beside m's file, and itself.
func beside(t testing.TB, m *negotiate.FileMemory) (list []string) {
	entries, err := os.ReadDir(filepath.Dir(m.Path))
	require.NoError(t, err)
	for _, entry := range entries {
		if name := entry.Name(); name != filepath.Base(m.Path)+".lock" {
			list = append(list, name)
		}
	}
	return list
}

func overwrite(t testing.TB, m *negotiate.FileMemory, content string) {
	require.NoError(t, os.WriteFile(m.Path, []byte(content), 0o600))
}

// What one run found the next one begins with.
func TestFileMemoryOutlivesItsProcess(t *testing.T) {
	m := fileMemory(t)
	m.Path = filepath.Join(filepath.Dir(m.Path), "cache", "mailer", "memory.json") // is made
	want := chosen(587, time.Minute)
	m.Store(t.Context(), "a", want)

	next := &negotiate.FileMemory{Path: m.Path, OnError: m.OnError}
	got, ok := next.Load(t.Context(), "a")
	require.True(t, ok)
	require.Equal(t, want, got)
	require.Equal(t, []string{"memory.json"}, beside(t, next))
}

// Older and newer programs may share a file: a change here needs a new version.
func TestFileMemoryFormat(t *testing.T) {
	m := fileMemory(t)
	synctest.Test(t, func(t *testing.T) {
		m.Store(t.Context(), "b, soon over", chosen(465, time.Minute))
		m.Store(t.Context(), "a", chosen(587, 10*time.Minute))
	})
	data, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	require.Equal(t, `{"version":1,"choices":[
{"server":"a","service":"submission","host":"mail.example.com","port":587,"connect_ns":12345678,"until":"2000-01-01T00:10:00Z"},
{"server":"b, soon over","service":"submissions","host":"mail.example.com","port":465,"connect_ns":12345678,"until":"2000-01-01T00:01:00Z"}
]}
`, string(data))
}

// A file is bounded in choices and in bytes, and what is over leaves it.
func TestFileMemoryIsBounded(t *testing.T) {
	m := fileMemory(t)
	full := make(map[string]negotiate.Choice)
	for i := range negotiate.MaxChoices {
		full[fmt.Sprint(i)] = chosen(465, time.Hour+time.Duration(i)*time.Second)
	}
	overwrite(t, m, string(negotiate.Encode(full)))
	m.Store(t.Context(), "one more", chosen(587, 2*time.Hour))
	_, ok := m.Load(t.Context(), "0")
	require.False(t, ok, "it would have been over first")
	for _, server := range []string{"1", "999", "one more"} {
		_, ok = m.Load(t.Context(), server)
		require.True(t, ok, server)
	}

	overwrite(t, m, string(negotiate.Encode(map[string]negotiate.Choice{"over": chosen(465, -1)})))
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	data, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	choices, err := negotiate.Decode(data)
	require.NoError(t, err)
	require.Len(t, choices, 1)

	long := make(map[string]negotiate.Choice)
	name := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", negotiate.MaxFileSize/10)) }
	for i := range 20 {
		long[name(i)] = chosen(465, time.Hour+time.Duration(i)*time.Second)
	}
	data = negotiate.Encode(long)
	require.LessOrEqual(t, len(data), negotiate.MaxFileSize)
	choices, err = negotiate.Decode(data)
	require.NoError(t, err)
	require.Len(t, choices, 9)
	for i := range choices {
		require.Equal(t, long[i], choices[i])
	}
	for i := 11; i < 20; i++ {
		require.NotZero(t, choices[name(i)], "those that stand longest stay")
	}
}

// Nothing in a file is trusted: one that is not as it was written is not
// believed in any part, is told of without showing what is in it, and is written
// anew. So a wrong or hostile file costs time and nothing else.
func TestFileMemoryTakesACorruptFileForEmpty(t *testing.T) {
	good := string(negotiate.Encode(map[string]negotiate.Choice{"a": chosen(587, time.Hour)}))
	entry := func(old, new string) string {
		require.Contains(t, good, old)
		bad := strings.Replace(good, old, new, 1)
		return strings.Replace(good, "\n]", ",\n"+strings.Split(bad, "\n")[1]+"\n]", 1) // after a good one
	}
	until := good[strings.Index(good, `"until":"`):strings.Index(good, "}\n]")]
	cases := map[string]string{
		"empty":            "",
		"garbage":          "secret \x00\xff\x1b[31m\n",
		"a password file":  "secret:x:0:0\n",
		"null":             "null",
		"an array":         `["secret"]`,
		"an object":        `{"secret":1}`,
		"no version":       `{"choices":[]}`,
		"another version":  strings.Replace(good, `"version":1`, `"version":2`, 1),
		"version as text":  strings.Replace(good, `"version":1`, `"version":"secret"`, 1),
		"huge version":     strings.Replace(good, `"version":1`, `"version":1e999`, 1),
		"choices as text":  `{"version":1,"choices":"secret"}`,
		"deep":             strings.Repeat("[", 100000),
		"two of them":      good + good,
		"too large":        good + strings.Repeat(" ", negotiate.MaxFileSize+1-len(good)),
		"too many":         `{"version":1,"choices":[` + strings.Repeat(strings.Split(good, "\n")[1]+",", negotiate.MaxChoices) + strings.Split(good, "\n")[1] + `]}`,
		"unknown field":    `{"secret":1,` + good[1:],
		"unknown detail":   entry(`"server":"a"`, `"server":"b","secret":1`),
		"null choice":      `{"version":1,"choices":[null]}`,
		"no server":        entry(`"server":"a"`, `"server":""`),
		"no service":       entry(`"submission"`, `""`),
		"another service":  entry(`"submission"`, `"smtp"`),
		"no host":          entry(`"mail.example.com"`, `""`),
		"port 0":           entry(`587`, `0`),
		"negative port":    entry(`587`, `-1`),
		"port 65536":       entry(`587`, `65536`),
		"huge port":        entry(`587`, `99999999999999999999`),
		"negative connect": entry(`12345678`, `-1`),
		"long connect":     entry(`12345678`, `60000000001`),
		"huge connect":     entry(`12345678`, `9223372036854775808`),
		"connect for ever": entry(`12345678`, `9223372036854775807`),
		"broken connect":   entry(`12345678`, `0.5`),
		"connect NaN":      entry(`12345678`, `NaN`),
		"until in words":   entry(until, `"until":"secret"`),
		"until year 10000": entry(until, `"until":"9999-12-31T23:59:59-23:59"`),
	}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			m := fileMemory(t)
			errs := toldBy(m)
			overwrite(t, m, content)
			_, ok := m.Load(t.Context(), "a")
			require.False(t, ok)
			m.Forget(t.Context(), "a") // changes nothing
			require.Len(t, *errs, 2)
			for _, err := range *errs {
				var e *negotiate.MemoryError
				require.ErrorAs(t, err, &e)
				require.Equal(t, "read", e.Op)
				require.ErrorIs(t, err, negotiate.ErrCorrupt)
				require.Contains(t, err.Error(), m.Path)
				require.NotContains(t, err.Error(), "secret")
				require.NotContains(t, err.Error(), "\n")
			}

			*errs = nil
			want := chosen(465, time.Hour)
			m.Store(t.Context(), "b", want)
			got, ok := m.Load(t.Context(), "b")
			require.True(t, ok, "it was written anew")
			require.Equal(t, want, got)
			_, ok = m.Load(t.Context(), "a")
			require.False(t, ok)
			require.Empty(t, *errs)
		})
	}
}

// Wherever a file was cut off, what is left is not believed.
func TestFileMemoryTakesHalfAFileForEmpty(t *testing.T) {
	data := negotiate.Encode(map[string]negotiate.Choice{"a": chosen(587, time.Hour), "b": chosen(465, time.Hour)})
	for end := range len(data) - 1 { // the last is the end of a line
		choices, err := negotiate.Decode(data[:end])
		require.ErrorIs(t, err, negotiate.ErrCorrupt, "%q", data[:end])
		require.Empty(t, choices)
	}
}

// What the file could not hold, or Load would not believe, is not stored, and
// what is there stays.
func TestFileMemoryRefusesNonsense(t *testing.T) {
	for want, change := range map[string]func(*negotiate.Choice){
		`Endpoint.Service "smtp"`: func(c *negotiate.Choice) { c.Endpoint.Service = "smtp" },
		`Endpoint.Host`:           func(c *negotiate.Choice) { c.Endpoint.Host = "\xff" },
		`Endpoint.Port "65536"`:   func(c *negotiate.Choice) { c.Endpoint.Port = 65536 },
		`Connect "-1ns"`:          func(c *negotiate.Choice) { c.Connect = -1 },
		`Until`:                   func(c *negotiate.Choice) { c.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		m := fileMemory(t)
		errs := toldBy(m)
		c := chosen(465, time.Hour)
		m.Store(t.Context(), "a", c)
		bad := c
		change(&bad)
		m.Store(t.Context(), "a", bad)
		require.Len(t, *errs, 1, want)
		require.ErrorIs(t, (*errs)[0], submit.ErrInvalid)
		require.ErrorContains(t, (*errs)[0], "memory "+m.Path+": write: invalid Choice."+want)
		got, _ := m.Load(t.Context(), "a")
		require.Equal(t, c, got)

		m.Store(t.Context(), "\xff", c)
		require.Len(t, *errs, 2)
		require.ErrorIs(t, (*errs)[1], submit.ErrInvalid)
	}
}

// What is just about right is kept, to the nanosecond.
func TestFileMemoryKeepsExtremes(t *testing.T) {
	want := map[string]negotiate.Choice{
		"<a> & \"b\"\n\u2028": {Endpoint: submit.Endpoint{Service: submit.Submission, Host: "2001:db8::1", Port: 1}, Until: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
		"b":                   {Endpoint: submit.Endpoint{Service: submit.Submissions, Host: "b", Port: 65535}, Connect: time.Minute, Until: time.Time{}.UTC()},
	}
	got, err := negotiate.Decode(negotiate.Encode(want))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Who forgets what is not there waits for nobody, and leaves no trace.
func TestFileMemoryForgetsOnlyWhatIsThere(t *testing.T) {
	m := fileMemory(t)
	m.Path = filepath.Join(filepath.Dir(m.Path), "new", "memory.json")
	m.Forget(t.Context(), "a")
	_, err := os.Stat(filepath.Dir(m.Path))
	require.ErrorIs(t, err, fs.ErrNotExist)

	m.Store(t.Context(), "a", chosen(465, time.Hour))
	before, err := os.Stat(m.Path)
	require.NoError(t, err)
	unlock, err := m.Lock(t.Context())
	require.NoError(t, err)
	m.Forget(t.Context(), "b")
	unlock()
	after, err := os.Stat(m.Path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "it was not written")
}

// Promise 7. Who ended the context knows, and is not told.
func TestFileMemoryDoesNothingWhenTheContextHasEnded(t *testing.T) {
	m := fileMemory(t)
	ended, end := context.WithCancel(t.Context())
	end()
	m.Store(ended, "a", chosen(465, time.Hour))
	require.Empty(t, beside(t, m))

	m.Store(t.Context(), "a", chosen(465, time.Hour))
	_, ok := m.Load(ended, "a")
	require.False(t, ok)
	m.Forget(ended, "a")
	_, ok = m.Load(t.Context(), "a")
	require.True(t, ok)
}

func TestFileMemoryNeedsAPath(t *testing.T) {
	var m negotiate.FileMemory
	m.Store(t.Context(), "a", chosen(465, time.Hour)) // and OnError may be nil
	errs := toldBy(&m)
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	m.Forget(t.Context(), "a")
	_, ok := m.Load(t.Context(), "a")
	require.False(t, ok)
	require.Len(t, *errs, 3)
	for i, op := range []string{"write", "write", "read"} {
		require.ErrorIs(t, (*errs)[i], submit.ErrInvalid)
		require.EqualError(t, (*errs)[i], "memory: "+op+": invalid FileMemory.Path: is empty")
	}
}

// What is not a file is neither read nor replaced. Nothing is locked when that is
// told, so that who is told may use the memory.
func TestFileMemoryLeavesADirectoryAlone(t *testing.T) {
	m := fileMemory(t)
	require.NoError(t, os.Mkdir(m.Path, 0o700))
	var errs []error
	m.OnError = func(err error) {
		errs = append(errs, err)
		if len(errs) < 4 {
			m.Store(t.Context(), "b", chosen(465, time.Hour))
		}
	}
	_, ok := m.Load(t.Context(), "a")
	require.False(t, ok)
	require.Len(t, errs, 4)
	for _, err := range errs {
		require.EqualError(t, err, "memory "+m.Path+": read: is there, and is not a file")
		require.NotErrorIs(t, err, negotiate.ErrCorrupt, "the next Store does not mend it")
	}
	require.DirExists(t, m.Path)
	require.Equal(t, []string{"memory.json"}, beside(t, m))
}

// Who cannot replace the file leaves nothing behind.
func TestFileMemoryRemovesWhatItCouldNotPutInPlace(t *testing.T) {
	m := fileMemory(t)
	require.NoError(t, os.Mkdir(m.Path, 0o700))
	require.Error(t, negotiate.ReplaceFile(m.Path, []byte("new")))
	require.Equal(t, []string{"memory.json"}, beside(t, m))
}

// What was left by somebody who was killed is removed, and nothing else.
func TestFileMemoryRemovesWhatWasLeft(t *testing.T) {
	m := fileMemory(t)
	for _, name := range []string{m.Path + negotiate.Temporary + "123", m.Path + ".bak", m.Path + ".tmp", m.Path + "2" + negotiate.Temporary + "123"} {
		require.NoError(t, os.WriteFile(name, []byte("{"), 0o600))
	}
	m.Store(t.Context(), "a", chosen(465, time.Hour))
	require.Equal(t, []string{"memory.json", "memory.json.bak", "memory.json.tmp", "memory.json2" + negotiate.Temporary + "123"}, beside(t, m))
}

// An error names the file once, and the cause is to be had.
func TestMemoryError(t *testing.T) {
	cause := errors.New("because")
	at := func(path string) error {
		return &negotiate.MemoryError{Path: "/a/b", Op: "read", Err: &fs.PathError{Op: "open", Path: path, Err: cause}}
	}
	require.EqualError(t, at("/a/b"), "memory /a/b: read: because")
	require.EqualError(t, at("/a"), "memory /a/b: read: open /a: because")
	require.ErrorIs(t, at("/a/b"), cause)
}
