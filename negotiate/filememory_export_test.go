package negotiate

import "context"

const (
	MaxChoices  = maxChoices
	MaxFileSize = maxFileSize
	LockWait    = lockWait
	Temporary   = temporary
)

func Encode(choices map[string]Choice) []byte                  { return encode(choices) }
func Decode(data []byte) (map[string]Choice, error)            { return decode(data) }
func ReplaceFile(path string, data []byte) error               { return replaceFile(path, data) }
func (m *FileMemory) Lock(ctx context.Context) (func(), error) { return m.lock(ctx) }

// Len counts what is kept, whether its time is over or not.
func (m *ProcessMemory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.choices)
}
