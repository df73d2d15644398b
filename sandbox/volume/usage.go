package volume

import (
	"io/fs"
	"os"
	"syscall"
)

// Usage gives the bytes that a volume takes on the disk.
func (s *Store) Usage(v Volume) (int64, error) {
	root, err := os.OpenRoot(s.DataPath(v.Name))
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if v.Size > 0 {
		if data, err := root.Open("."); err == nil {
			defer data.Close()
			if has, err := readLimit(data, v.Project); err == nil {
				return int64(has.blocks) * basicBlock, nil
			}
		}
	}
	type file struct{ dev, ino uint64 }
	counted := map[file]bool{} // of those with several names
	var total int64
	// Through the root no link leads out, whatever a container does meanwhile.
	err = fs.WalkDir(root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it has gone, or is too deep to be looked at
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // it has gone
		}
		st := info.Sys().(*syscall.Stat_t)
		if st.Nlink > 1 && !info.IsDir() {
			this := file{uint64(st.Dev), st.Ino}
			if counted[this] {
				return nil
			}
			counted[this] = true
		}
		total += st.Blocks * 512
		return nil
	})
	return total, err
}
