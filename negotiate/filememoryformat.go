package negotiate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mailport/mailport/submit"
)

const (
	fileVersion = 1
	maxFileSize = 1 << 20 // bytes; a thousand choices take a fifth of it

	// maxConnect is longer than anybody waits for a TCP handshake.
	maxConnect = time.Minute
)

// A fileChoice is a [Choice] as it stands in a file: one line of it, in JSON.
type fileChoice struct {
	Server  string    `json:"server"`
	Service string    `json:"service"`
	Host    string    `json:"host"`
	Port    int       `json:"port"`
	Connect int64     `json:"connect_ns"`
	Until   time.Time `json:"until"`
}

// encode returns choices as decode takes them, those that stand longest first.
// What is too much for a file is left out.
func encode(choices map[string]Choice) []byte {
	servers := slices.SortedFunc(maps.Keys(choices), func(a, b string) int {
		return cmp.Or(choices[b].Until.Compare(choices[a].Until), cmp.Compare(a, b))
	})
	const end = "\n]}\n"
	data := fmt.Appendf(nil, `{"version":%d,"choices":[`, fileVersion)
	between := "\n"
	for _, server := range servers {
		c := choices[server]
		line, err := json.Marshal(fileChoice{Server: server, Service: c.Endpoint.Service, Host: c.Endpoint.Host,
			Port: c.Endpoint.Port, Connect: int64(c.Connect), Until: c.Until.UTC()})
		if err != nil || len(data)+len(between)+len(line)+len(end) > maxFileSize {
			continue // unfit would have said so, or it is too long
		}
		data = append(append(data, between...), line...)
		between = ",\n"
	}
	return append(data, end...)
}

// decode returns what encode was given. If there is a field that it does not know or
// a choice that is none, nothing is believed, and the error matches [ErrCorrupt].
func decode(data []byte) (map[string]Choice, error) {
	var file struct {
		Version int          `json:"version"`
		Choices []fileChoice `json:"choices"`
	}
	choices := make(map[string]Choice)
	err := json.Unmarshal(data, new(json.RawMessage)) // a Decoder does not look behind the first value
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&file)
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax): // its text quotes the file
		return choices, corrupt("not JSON at byte %d", syntax.Offset)
	case err != nil:
		return choices, corrupt("other JSON than it writes")
	case file.Version != fileVersion:
		return choices, corrupt("version %d, where %d is known", file.Version, fileVersion)
	case len(file.Choices) > maxChoices:
		return choices, corrupt("%d choices, where %d are the most", len(file.Choices), maxChoices)
	}
	for i, f := range file.Choices {
		c := Choice{submit.Endpoint{Service: f.Service, Host: f.Host, Port: f.Port}, time.Duration(f.Connect), f.Until}
		if unfit(f.Server, c) != nil { // its text quotes the file
			return make(map[string]Choice), corrupt("choice %d is none", i+1)
		}
		choices[f.Server] = c
	}
	return choices, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// unfit says why c cannot be kept for the server. Nothing of that comes from a
// Negotiator; from a file it may.
func unfit(server string, c Choice) error {
	field := func(name, value string) error {
		return &submit.InvalidError{Field: "Choice." + name, Value: value, Reason: "cannot be kept in a file"}
	}
	e := c.Endpoint
	switch year := c.Until.UTC().Year(); {
	case server == "" || !utf8.ValidString(server):
		return &submit.InvalidError{Field: "server", Value: server, Reason: "cannot be kept in a file"}
	case e.Service != submit.Submissions && e.Service != submit.Submission:
		return field("Endpoint.Service", e.Service)
	case e.Host == "" || !utf8.ValidString(e.Host):
		return field("Endpoint.Host", e.Host)
	case e.Port < 1 || e.Port > 65535:
		return field("Endpoint.Port", strconv.Itoa(e.Port))
	case c.Connect < 0 || c.Connect > maxConnect:
		return field("Connect", c.Connect.String())
	case year < 0 || year > 9999: // RFC 3339, section 1
		return field("Until", c.Until.String())
	}
	return nil
}
