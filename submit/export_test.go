package submit

// SetHostname has c believe that this machine is called so.
func SetHostname(c *Config, name string) { c.hostname = func() string { return name } }
