package negotiate

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errNoFile is for what is neither to be read, as it may never end, nor to be
// replaced: the /dev/null of who wants no memory would be gone for everybody.
var errNoFile = errors.New("is there, and is not a file")

// readChoices returns what the file has. The map is never nil; if there is no
// file, it is empty.
func readChoices(path string) (map[string]Choice, error) {
	data, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return make(map[string]Choice), nil
	case err != nil:
		return make(map[string]Choice), err
	}
	return decode(data)
}

// look says what speaks against reading what is there, without opening it.
func look(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return corrupt("a symbolic link")
	case !info.Mode().IsRegular():
		return errNoFile
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	if err := look(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openCarefully, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // it may have been exchanged
		return nil, errors.Join(err, errNoFile)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if len(data) > maxFileSize {
		return nil, corrupt("larger than %d bytes", maxFileSize)
	}
	return data, err
}

// replaceFile puts a new file in the place of what is there, at once. It is not
// synced: after a power failure there may be an old file or a corrupt one, which
// costs a race, while a disk that is waited for costs time with every message.
func replaceFile(path string, data []byte) error {
	removeLeft(path)
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+temporary+"*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one that tells
	}
	return err
}

// temporary follows the name of the file in the name of what is to replace it.
const temporary = ".tmp-"

// removeLeft removes what those left who were killed while they wrote. Nobody is
// writing now, as the lock is held. Where there is none, one who is fails to
// rename, and says so.
func removeLeft(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path)) // another time, then
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), filepath.Base(path)+temporary) && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}
