package negotiate_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
)

// What is read from each file of testdata/autoconfig is in the text file beside
// it: draft-ietf-mailmaint-autoconfig, and what else comes under that address.
func TestAutoconfigFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/autoconfig/*.xml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			w := newWorld(t, nil, pages{autoconfigOf: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(content) }})
			found, err := onlyAutoconfig(t, w, nil)
			golden := strings.TrimSuffix(name, ".xml") + ".txt"
			got := fileText(found, err)
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func fileText(found []negotiate.Found, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%v as %q with %q\n", f.Endpoint, f.Username, f.Authentication)
	}
	return b.String()
}

// However much is in a file, little is made of it.
func TestAutoconfigBounds(t *testing.T) {
	const end = `<outgoingServer type="smtp"><hostname>smtp.example.com</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>`
	inside := func(s string) string {
		return "<clientConfig><emailProvider>" + s + end + "</emailProvider></clientConfig>"
	}
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d=''", i)
		}
		return "<a" + b.String() + "/>"
	}
	var many strings.Builder
	for i := range 1000 {
		many.WriteString(smtp(fmt.Sprintf("s%d.example.com", i), 465, "SSL"))
	}
	server := func(inner string) string {
		return `<outgoingServer type="smtp"><hostname>first.example.com</hostname><port>465</port><socketType>SSL</socketType>` + inner + `</outgoingServer>`
	}
	for name, c := range map[string]struct {
		file  string
		found int
		err   string
	}{
		"30 in one another":           {inside(nested(30)), 1, ""},
		"31 in one another":           {inside(nested(31)), 0, "autoconfig file has more than 32 elements in one another"},
		"80000 in one another":        {strings.Repeat("<a>", 80000), 0, "no autoconfig file: it begins with <a>"},
		"80000 in one another, there": {inside(strings.Repeat("<a>", 80000)), 0, "autoconfig file has more than 32 elements in one another"},
		"64 attributes":               {inside(attributes(64)), 1, ""},
		"65 attributes":               {inside(attributes(65)), 0, "autoconfig file has an element of more than 64 attributes"},
		"1000 servers":                {inside(many.String()), 20, ""},
		"another one at last":         {inside(strings.Repeat(smtp("s.example.com", 465, "SSL"), 500)), 2, ""},
		"the same one, often":         {inside(strings.Repeat(end, 500)), 1, ""},
		"a long name":                 {inside(server("<username>" + strings.Repeat("x", 1000) + "</username>")), 2, ""},
		"too long a name":             {inside(server("<username>" + strings.Repeat("x", 1001) + "</username>")), 1, ""},
		"too long when it is written": {inside(server("<username>" + strings.Repeat("%EMAILADDRESS%", 72) + "</username>")), 1, ""},
		"in pieces":                   {inside(server("<username>" + strings.Repeat("x<!-- -->", 2000) + "</username>")), 1, ""},
		"1000 ways to authenticate":   {inside(server(strings.Repeat("<authentication>none</authentication>", 1000))), 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := onlyAutoconfig(t, newWorld(t, nil, pages{autoconfigOf: text(c.file)}), nil)
			require.Len(t, found, c.found)
			if c.err != "" {
				require.EqualError(t, err, nothingFrom+c.err)
			}
			for _, f := range found {
				require.LessOrEqual(t, len(f.Authentication), 20)
			}
		})
	}
}
