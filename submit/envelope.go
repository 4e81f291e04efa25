package submit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/wire"
)

// maxParameter is what AUTH and ORCPT may add to a command.
const maxParameter = 500

// checkOptions refuses parameters that no server could take.
func (p *parcel) checkOptions() error {
	switch p.mail.Body {
	case "", smtp.Body7Bit, smtp.Body8BitMIME, smtp.BodyBinaryMIME:
	default:
		return invalidOption("Body", string(p.mail.Body), "neither 7BIT, 8BITMIME nor BINARYMIME")
	}
	switch p.mail.Return {
	case "", smtp.DSNReturnFull, smtp.DSNReturnHeaders:
	default:
		return invalidOption("Return", string(p.mail.Return), "neither FULL nor HDRS (RFC 3461, section 4.3)")
	}
	if p.mail.Size < 0 {
		return invalidOption("Size", fmt.Sprint(p.mail.Size), "negative")
	}
	if id := p.mail.EnvelopeID; id != "" && (len(wire.Xtext(id)) > 100 || strings.ContainsFunc(id, notPrintable)) {
		return invalidOption("EnvelopeID", id, "more than 100 octets or not printable ASCII (RFC 3461, section 4.4)")
	}
	if p.mail.Auth != nil && *p.mail.Auth != "" {
		if _, err := wire.ParsePath(*p.mail.Auth); err != nil {
			return invalidOption("Auth", *p.mail.Auth, err.Error())
		}
		if len(wire.Xtext(*p.mail.Auth)) > maxParameter {
			return invalidOption("Auth", *p.mail.Auth, "more than 500 octets (RFC 4954, section 3)")
		}
	}
	return p.checkAllRcptOptions()
}

func (p *parcel) checkAllRcptOptions() error {
	if len(p.rcpt) == 0 {
		return nil
	}
	left := len(p.rcpt)
	p.by, p.priority = p.shared()
	by, priority := p.by, p.priority
	seen := make(map[string]bool, len(p.rcpt))
	for _, address := range p.as {
		o, ok := p.rcpt[address]
		if !ok || seen[address] {
			continue
		}
		seen[address] = true
		left--
		if err := checkRcptOptions(address, o, by, priority); err != nil {
			return err
		}
	}
	if left > 0 {
		for address := range p.rcpt {
			if !seen[address] {
				return invalidRcptOption(address, "", "", "is for nobody in Message.To")
			}
		}
	}
	return nil
}

func invalidRcptOption(address, field, value, reason string) error {
	return &InvalidError{Field: fmt.Sprintf("Message.RcptOptions[%q]%s", clipped(address, maxValue), field), Value: value, Reason: reason}
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

func invalidOption(name, value, reason string) error {
	return &InvalidError{Field: "Message.Options." + name, Value: value, Reason: reason}
}

// checkRcptOptions also makes sure that what is said once, on MAIL, is meant by
// all who say it.
func checkRcptOptions(address string, o *smtp.RcptOptions, by *smtp.DeliverByOptions, priority *int) error {
	invalid := func(field, value, reason string) error { return invalidRcptOption(address, field, value, reason) }
	switch {
	case o == nil:
		return nil
	case o.MTPriority != nil && (*o.MTPriority < -9 || *o.MTPriority > 9):
		return invalid(".MTPriority", strconv.Itoa(*o.MTPriority), "not between -9 and 9 (RFC 6710, section 3)")
	case o.MTPriority != nil && *o.MTPriority != *priority:
		return invalid(".MTPriority", strconv.Itoa(*o.MTPriority), "differs between recipients; there is one for a message (RFC 6710, section 3)")
	case o.DeliverBy != nil && *o.DeliverBy != *by:
		return invalid(".DeliverBy", "", "differs between recipients; there is one for a message (RFC 2852, section 4)")
	}
	if since := o.RequireRecipientValidSince; !since.IsZero() && (since.UTC().Year() < 0 || since.UTC().Year() > 9999) {
		return invalid(".RequireRecipientValidSince", since.String(), "its year has not four digits (RFC 3339, section 5.6)")
	}
	if err := checkNotify(invalid, o.Notify); err != nil {
		return err
	}
	if err := checkOriginal(invalid, o); err != nil {
		return err
	}
	return checkDeliverBy(invalid, o.DeliverBy)
}

type invalidFunc func(field, value, reason string) error

func checkNotify(invalid invalidFunc, notify []smtp.DSNNotify) error {
	for i, n := range notify {
		switch n {
		case smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed:
		case smtp.DSNNotifyNever:
			if len(notify) > 1 {
				return invalid(".Notify", string(n), "excludes the others (RFC 3461, section 4.1)")
			}
		default:
			return invalid(".Notify", string(n), "neither NEVER, SUCCESS, FAILURE nor DELAY")
		}
		if slices.Contains(notify[:i], n) {
			return invalid(".Notify", string(n), "is there twice")
		}
	}
	return nil
}

func checkOriginal(invalid invalidFunc, o *smtp.RcptOptions) error {
	if o.OriginalRecipient == "" {
		return nil
	}
	if len(wire.Unitext(o.OriginalRecipient)) > maxParameter || len(wire.Xtext(o.OriginalRecipient)) > maxParameter {
		return invalid(".OriginalRecipient", o.OriginalRecipient, "more than 500 octets (RFC 3461, section 4.2)")
	}
	switch o.OriginalRecipientType {
	case smtp.DSNAddressTypeUTF8:
		return checkUnitext(invalid, o.OriginalRecipient)
	case smtp.DSNAddressTypeRFC822:
		if strings.ContainsFunc(o.OriginalRecipient, notPrintable) {
			return invalid(".OriginalRecipient", o.OriginalRecipient, "not printable ASCII")
		}
		return nil
	}
	return invalid(".OriginalRecipientType", string(o.OriginalRecipientType), "neither RFC822 nor UTF-8")
}

// checkUnitext refuses what RFC 6533, section 3, has no escape for. Angle brackets it
// lets stand for themselves, which not everybody is sure to read so behind the one that
// ends the path.
func checkUnitext(invalid invalidFunc, address string) error {
	switch {
	case !wire.IsText(address):
		return invalid(".OriginalRecipient", address, "control character, or not UTF-8")
	case strings.ContainsAny(address, "<>"):
		return invalid(".OriginalRecipient", address, "angle bracket, for which there is no escape (RFC 6533, section 3); the kind RFC822 has one")
	}
	return nil
}

func checkDeliverBy(invalid invalidFunc, by *smtp.DeliverByOptions) error {
	const longest = 999999999 * time.Second // in nine digits
	switch {
	case by == nil:
		return nil
	case by.Time > longest || by.Time < -longest:
		return invalid(".DeliverBy.Time", by.Time.String(), "more than 999999999 seconds (RFC 2852, section 4)")
	case by.Mode == smtp.DeliverByNotify:
		return nil
	case by.Mode != smtp.DeliverByReturn:
		return invalid(".DeliverBy.Mode", string(by.Mode), "neither N nor R")
	case by.Time < time.Second:
		return invalid(".DeliverBy.Time", by.Time.String(), "must be a second at least, to return by (RFC 2852, section 4)")
	}
	return nil
}

// shared returns the parameters of MAIL that go-smtp has with the recipients.
func (p *parcel) shared() (by *smtp.DeliverByOptions, priority *int) {
	for _, address := range p.as {
		if o := p.rcpt[address]; o != nil {
			by, priority = cmp.Or(by, o.DeliverBy), cmp.Or(priority, o.MTPriority)
		}
	}
	return by, priority
}

// An envelope is what is said to one server about one message.
type envelope struct {
	size     int64    // SIZE, or 0
	params   []string // of MAIL
	sevenBit bool     // the body must have no octet above 127
	dsn      bool     // the server takes parameters of RCPT: DSN
}

// envelope asks for what the message needs, and fails if the server does not
// offer it: to leave it out would be to send another message.
func (s *Session) envelope(e *envelope, p *parcel) error {
	if err := s.addSize(e, p); err != nil {
		return err
	}
	if err := s.addBody(e, p); err != nil {
		return err
	}
	if err := s.addUTF8(e, p); err != nil {
		return err
	}
	if err := s.addRequireTLS(e, p); err != nil {
		return err
	}
	if err := s.addDSN(e, p); err != nil {
		return err
	}
	if err := s.addAuth(e, p); err != nil {
		return err
	}
	if err := s.addShared(e, p); err != nil {
		return err
	}
	return s.checkRcpt(e, p)
}

// lacks is the error of a message that needs what the server has not.
func (s *Session) lacks(extension, why string) error {
	return &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: &cause{meaning: errors.ErrUnsupported,
		text: fmt.Sprintf("message needs %s (%s), which the server does not offer", extension, why)}}
}

func (e *envelope) add(keyword, value string) error {
	parameter, err := wire.Parameter(keyword, value)
	e.params = append(e.params, parameter)
	return err
}

// addSize is RFC 1870: what is known to be too large is not sent at all.
func (s *Session) addSize(e *envelope, p *parcel) error {
	params, ok := s.ext["SIZE"]
	if !ok {
		return nil
	}
	least, size := p.body.size()
	if p.mail.Body == smtp.BodyBinaryMIME {
		least, size = max(0, p.body.length), max(0, p.body.length) // as it is
		if p.body.whole {
			least, size = int64(len(p.body.head)), int64(len(p.body.head))
		}
	}
	if p.mail.Size > 0 {
		least, size = p.mail.Size, p.mail.Size
	}
	if limit := sizeLimit(params); limit > 0 {
		if least > limit {
			return &Error{Endpoint: s.endpoint, Phase: PhaseSender, Err: &cause{meaning: ErrTooLarge,
				text: fmt.Sprintf("message of %d octets is larger than the %d that the server takes", least, limit)}}
		}
		size = min(size, limit) // what may fit must not be refused for an estimate
	}
	e.size = size
	return nil
}

// sizeLimit is the parameter of SIZE, or 0 for none.
func sizeLimit(params string) int64 {
	if params == "" {
		return 0
	}
	limit, err := strconv.ParseInt(params, 10, 64)
	if err != nil {
		return 0
	}
	return limit
}

// addBody is RFC 6152, and RFC 3030 for who asks for BINARYMIME. A message whose end has not been seen may have octets
// above 127; if the server could not take them, the body is watched.
func (s *Session) addBody(e *envelope, p *parcel) error {
	found, known := p.body.eightBit()
	switch body := p.mail.Body; {
	case body == smtp.BodyBinaryMIME:
		switch {
		case !s.ext.Has("BINARYMIME"):
			return s.lacks("BINARYMIME", "the caller asks for it")
		case !s.ext.Has("CHUNKING"):
			return s.lacks("CHUNKING", "BINARYMIME, which the caller asks for, is sent with BDAT alone")
		case !s.chunking():
			return s.lacks("CHUNKING", "it does not know BDAT, with which alone BINARYMIME is sent")
		}
		e.params = append(e.params, "BODY=BINARYMIME")
		return nil
	case body == smtp.Body7Bit:
		e.sevenBit = true
		return nil // the default of RFC 5321
	case body == "" && known && !found:
		return nil
	case s.ext.Has("8BITMIME"):
		e.params = append(e.params, "BODY=8BITMIME")
		return nil
	case found || body == smtp.Body8BitMIME:
		return s.lacks("8BITMIME", "it has octets above 127; encode them as RFC 2045 says")
	}
	e.sevenBit = true
	return nil
}

// addUTF8 is RFC 6531: asked for when needed, and only then.
func (s *Session) addUTF8(e *envelope, p *parcel) error {
	why := ""
	switch {
	case p.from.UTF8() || slices.ContainsFunc(p.to, wire.Path.UTF8):
		why = "an address is not ASCII"
		if !slices.ContainsFunc(append([]wire.Path{p.from}, p.to...), func(path wire.Path) bool { return path.UTF8() && !path.UTF8Domain() }) {
			why = "a domain is not ASCII; written as xn--... it is"
		}
	case p.body.headerUTF8():
		why = "its header is not ASCII; RFC 2047 says how to encode it"
	case p.mail.UTF8:
		why = "the caller asks for it"
	default:
		return nil
	}
	if !s.ext.Has("SMTPUTF8") {
		return s.lacks("SMTPUTF8", why)
	}
	return e.add("SMTPUTF8", "")
}

// addRequireTLS is RFC 8689; that this connection is verified is given.
func (s *Session) addRequireTLS(e *envelope, p *parcel) error {
	switch {
	case !p.mail.RequireTLS:
		return nil
	case !s.ext.Has("REQUIRETLS"):
		return s.lacks("REQUIRETLS", "the caller asks for it")
	}
	return e.add("REQUIRETLS", "")
}

// addDSN is RFC 3461, the part of it that is said of the message.
func (s *Session) addDSN(e *envelope, p *parcel) error {
	e.dsn = s.ext.Has("DSN")
	if p.mail.Return == "" && p.mail.EnvelopeID == "" {
		return nil
	}
	if !e.dsn {
		return s.lacks("DSN", "the caller asks for it")
	}
	if p.mail.Return != "" {
		if err := e.add("RET", string(p.mail.Return)); err != nil {
			return err
		}
	}
	if p.mail.EnvelopeID == "" {
		return nil
	}
	return e.add("ENVID", wire.Xtext(p.mail.EnvelopeID))
}

// addAuth is RFC 4954, section 5.
func (s *Session) addAuth(e *envelope, p *parcel) error {
	switch {
	case p.mail.Auth == nil:
		return nil
	case !s.ext.Has("AUTH"):
		return s.lacks("AUTH", "the caller names an identity")
	case *p.mail.Auth == "":
		e.params = append(e.params, "AUTH=<>") // no parameter else has such a value
		return nil
	}
	return e.add("AUTH", wire.Xtext(*p.mail.Auth))
}

// addShared is RFC 2852 and RFC 6710, both on MAIL.
func (s *Session) addShared(e *envelope, p *parcel) error {
	by, priority := p.by, p.priority
	if by != nil {
		if err := s.addDeliverBy(e, by); err != nil {
			return err
		}
	}
	if priority == nil {
		return nil
	}
	if !s.ext.Has("MT-PRIORITY") {
		return s.lacks("MT-PRIORITY", "the caller asks for it")
	}
	return e.add("MT-PRIORITY", strconv.Itoa(*priority))
}

func (s *Session) addDeliverBy(e *envelope, by *smtp.DeliverByOptions) error {
	params, ok := s.ext["DELIVERBY"]
	if !ok {
		return s.lacks("DELIVERBY", "the caller asks for it")
	}
	seconds := int64(by.Time / time.Second)
	if least, err := strconv.ParseInt(params, 10, 64); err == nil && by.Mode == smtp.DeliverByReturn && seconds < least {
		return s.lacks("DELIVERBY", fmt.Sprintf("within %d seconds; the server's least is %d", seconds, least))
	}
	value := fmt.Sprintf("%d;%s", seconds, by.Mode)
	if by.Trace {
		value += "T"
	}
	return e.add("BY", value)
}

// checkRcpt makes sure that every parameter of RCPT can be asked for.
func (s *Session) checkRcpt(e *envelope, p *parcel) error {
	for _, o := range p.rcpt {
		switch {
		case o == nil:
		case !e.dsn && (len(o.Notify) > 0 || o.OriginalRecipient != ""):
			return s.lacks("DSN", "the caller asks for it")
		case !o.RequireRecipientValidSince.IsZero() && !s.ext.Has("RRVS"):
			return s.lacks("RRVS", "the caller asks for it")
		}
	}
	return nil
}

// rcptParams are the parameters of RCPT for the recipient i.
func (p *parcel) rcptParams(i int) []string {
	o := p.rcpt[p.as[i]]
	if o == nil {
		return nil
	}
	var args []string
	if len(o.Notify) > 0 {
		values := make([]string, len(o.Notify))
		for i, n := range o.Notify {
			values[i] = string(n)
		}
		args = append(args, "NOTIFY="+strings.Join(values, ","))
	}
	switch {
	case o.OriginalRecipient == "":
	case o.OriginalRecipientType == smtp.DSNAddressTypeUTF8:
		args = append(args, "ORCPT=utf-8;"+wire.Unitext(o.OriginalRecipient))
	default:
		args = append(args, "ORCPT=rfc822;"+wire.Xtext(o.OriginalRecipient))
	}
	if since := o.RequireRecipientValidSince; !since.IsZero() {
		args = append(args, "RRVS="+since.UTC().Format(time.RFC3339)) // RFC 7293, section 3.1
	}
	return args
}
