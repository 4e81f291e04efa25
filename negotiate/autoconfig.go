package negotiate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of an autoconfig file. Real ones have a few kilobytes and five levels.
const (
	maxFile       = 256 << 10 // octets
	maxDepth      = 32        // elements in one another
	maxAttributes = 64        // of one element
)

// An outgoing is an outgoingServer element of type smtp, as it is in the file.
type outgoing struct {
	hostname, port, socketType, username string
	authentication                       []string
}

// readAutoconfig returns the outgoing servers of an autoconfig file
// (draft-ietf-mailmaint-autoconfig; also known as config-v1.1.xml), in the
// file's order. What it does not know it passes over.
//
// Nothing is fetched and nothing is expanded: a document type declaration is not
// read, so that of entities only XML's own five exist.
func readAutoconfig(file []byte) ([]outgoing, error) {
	decoder := xml.NewDecoder(bytes.NewReader(file))
	decoder.CharsetReader = charset
	var r configReader
	for {
		token, err := decoder.Token()
		switch {
		case err == io.EOF && r.depth == 0 && r.root:
			return r.servers, nil
		case err == io.EOF:
			return nil, errors.New("no autoconfig file: there is no element in it")
		case err != nil:
			return nil, fmt.Errorf("no autoconfig file: %w", err)
		}
		if err := r.take(token); err != nil {
			return nil, err
		}
	}
}

// charset reads the encodings that need no table. Go's decoder has UTF-8 itself.
func charset(label string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1":
		octets, err := io.ReadAll(input) // out of a file in memory
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		for _, c := range octets {
			b.WriteRune(rune(c))
		}
		return &b, nil
	}
	return nil, errors.New("only UTF-8, ISO-8859-1 and US-ASCII are read")
}

// A configReader walks through a file. Elements count at their place only:
// clientConfig, emailProvider, outgoingServer, and what is in that.
type configReader struct {
	servers []outgoing

	root  bool // was there
	depth int  // of open elements
	known int  // how many of those, from the root, are in their place
	inner string
	text  strings.Builder // of inner
}

var configPath = [...]string{"clientConfig", "emailProvider", "outgoingServer"}

func (r *configReader) take(token xml.Token) error {
	switch token := token.(type) {
	case xml.StartElement:
		return r.open(token)
	case xml.EndElement:
		r.close()
	case xml.CharData:
		if r.inner != "" && r.depth == len(configPath)+1 {
			r.text.Write(token)
		}
	}
	return nil
}

func (r *configReader) open(e xml.StartElement) error {
	name := e.Name.Local
	switch {
	case r.depth == 0 && r.root:
		return errors.New("no autoconfig file: it has two roots")
	case r.depth == 0 && name != configPath[0]:
		return fmt.Errorf("no autoconfig file: it begins with <%s>", name)
	case r.depth == maxDepth:
		return fmt.Errorf("autoconfig file has more than %d elements in one another", maxDepth)
	case len(e.Attr) > maxAttributes:
		return fmt.Errorf("autoconfig file has an element of more than %d attributes", maxAttributes)
	}
	r.root = true
	inPlace := r.known == r.depth
	switch {
	case inPlace && r.depth < len(configPath) && name == configPath[r.depth] && (r.depth < 2 || isSMTP(e)):
		r.known++
		if r.known == len(configPath) {
			r.servers = append(r.servers, outgoing{})
		}
	case inPlace && r.depth == len(configPath):
		r.inner = name
		r.text.Reset()
	}
	r.depth++
	return nil
}

func isSMTP(e xml.StartElement) bool {
	for _, a := range e.Attr {
		if a.Name.Local == "type" {
			return strings.EqualFold(strings.TrimSpace(a.Value), "smtp")
		}
	}
	return false
}

func (r *configReader) close() {
	r.depth--
	if r.depth == len(configPath) && r.inner != "" {
		r.servers[len(r.servers)-1].set(r.inner, strings.TrimSpace(r.text.String()))
		r.inner = ""
	}
	r.known = min(r.known, r.depth)
}

// set keeps a value; of what there should be one of, the first.
func (o *outgoing) set(name, value string) {
	first := func(field *string) {
		if *field == "" {
			*field = value
		}
	}
	switch name {
	case "hostname":
		first(&o.hostname)
	case "port":
		first(&o.port)
	case "socketType":
		first(&o.socketType)
	case "username":
		first(&o.username)
	case "authentication":
		if isWord(value) && len(o.authentication) < maxFound {
			o.authentication = append(o.authentication, value)
		}
	}
}

// isWord keeps what is no word for a mechanism away from programs that print it.
func isWord(s string) bool {
	return 0 < len(s) && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
