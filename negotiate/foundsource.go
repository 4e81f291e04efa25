package negotiate

// A Source is who said that a server is there. The order of the values is their
// rank: the first is asked first.
type Source int

// The sources, in the order of their rank. D stands for the address's domain.
const (
	SourceSRV        Source = iota + 1 // DNS SRV records _submissions._tcp.D and _submission._tcp.D
	SourceAutoconfig                   // https://autoconfig.D/mail/config-v1.1.xml
	SourceWellKnown                    // https://D/.well-known/autoconfig/mail/config-v1.1.xml
	SourceDatabase                     // what Discovery.Database says of D
	SourceGuess                        // smtp.D and mail.D, if they exist, at the registered ports
)

var sourceNames = [...]string{
	SourceSRV:        "SRV",
	SourceAutoconfig: "autoconfig",
	SourceWellKnown:  "well-known",
	SourceDatabase:   "database",
	SourceGuess:      "guess",
}

// String returns a word for s, such as "SRV" or "guess".
func (s Source) String() string {
	if s <= 0 || int(s) >= len(sourceNames) {
		return "unknown"
	}
	return sourceNames[s]
}

// MarshalText returns the word for s, for JSON.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
