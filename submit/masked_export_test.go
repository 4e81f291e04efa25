package submit

// NewMask returns what hides secrets in lines, and Masked what it comes down to
// without a look at whether there is anything to hide.
func NewMask(secrets ...string) func([]string) []string { return newMask(secrets) }

func Masked(lines []string, secrets ...string) []string { return masked(lines, secrets) }

// Forms are what a secret may look like in base64, and the secret.
func Forms(secret string) []string { return forms(secret) }
