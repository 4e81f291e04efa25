package submit

// ParseLimits is parseLimits.
func ParseLimits(params string) (mails, recipients int) {
	l := parseLimits(params)
	return l.mails, l.recipients
}
