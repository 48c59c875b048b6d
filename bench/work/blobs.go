package work

import (
	"errors"
	"fmt"
	"io"
)

const (
	insertBlob = "INSERT INTO large(id, data) VALUES (?, ?)"
	readBlob   = "SELECT data FROM large WHERE id = ?"

	blobSize  = 1 << 20
	chunkSize = 64 << 10 // blobio: of one read or write
)

func blobData(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7)
	}
	return data
}

// blob writes and reads blobs of 1 MiB, whole.
func (b *bench) blob() error {
	if err := b.s.Exec("CREATE TABLE large(id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		return err
	}
	data := blobData(blobSize)
	return b.time("blob", 2*b.size.Blobs, func() (uint64, error) {
		err := b.transaction(func() error { return b.s.Blobs(insertBlob, b.size.Blobs, data) })
		if err != nil {
			return 0, err
		}
		return b.s.Each(Query{SQL: readBlob, Kinds: "b", Times: b.size.Blobs, Args: func(k int) []int64 {
			b.args[0] = int64(k)
			return b.args[:1]
		}})
	})
}

// blobIO writes and reads the same in place, in pieces.
func (b *bench) blobIO() error {
	s, ok := b.s.(WithBlobs)
	if !ok {
		return nil
	}
	if err := b.fillZero(); err != nil {
		return err
	}
	chunk := blobData(chunkSize)
	return b.time("blobio", 2*b.size.Blobs, func() (sum uint64, err error) {
		err = b.transaction(func() error {
			return b.eachBlob(s, true, func(blob io.ReadWriter) error { return writeChunks(blob, chunk) })
		})
		if err != nil {
			return 0, err
		}
		err = b.eachBlob(s, false, func(blob io.ReadWriter) error {
			part, err := sumChunks(blob, chunk)
			sum += part
			return err
		})
		return sum, err
	})
}

func (b *bench) fillZero() error {
	if err := b.s.Exec("CREATE TABLE inplace(id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		return err
	}
	return b.s.Exec(fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "+
		"INSERT INTO inplace SELECT i, zeroblob(%d) FROM n", b.size.Blobs-1, blobSize))
}

func (b *bench) eachBlob(s WithBlobs, write bool, use func(io.ReadWriter) error) error {
	for i := range b.size.Blobs {
		blob, err := s.OpenBlob("inplace", "data", int64(i), write)
		if err != nil {
			return err
		}
		if err := errors.Join(use(blob), blob.Close()); err != nil {
			return err
		}
	}
	return nil
}

func writeChunks(w io.Writer, chunk []byte) error {
	for range blobSize / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func sumChunks(r io.Reader, chunk []byte) (sum uint64, err error) {
	for range blobSize / len(chunk) {
		if _, err := io.ReadFull(r, chunk); err != nil {
			return 0, err
		}
		sum += SumBlob(chunk)
	}
	return sum, nil
}
