// Package hash adds checksums and cryptographic hashes to SQL.
//
//	md5(X), sha1(X), sha224(X), sha256(X), sha384(X), sha512(X), sha512_224(X), sha512_256(X)
//	sha3(X [, size])        size is 224, 256 (if it is not given), 384 or 512 bits
//	crc32(X), crc32c(X)     an integer: the checksum of zip and PNG, and that with Castagnoli's polynomial
//
// All but the checksums return a blob: lower(hex(sha256(X))) is the usual text. The hashes md5, sha1, sha256, sha384
// and sha512 are there as crypto_md5 and so on, too. A text is hashed as its bytes in UTF-8, a number as its text, and
// NULL gives NULL. md5 and sha1 protect nothing against those who want to forge; they are there for old data.
//
// Importing the package registers the extension "hash".
package hash

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash/crc32"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("hash", Register) }

// Register adds the functions to a connection.
func Register(c *engine.Conn) error {
	return sqlfunc.Register(c, sqlfunc.Pure, []sqlfunc.Scalar{
		digest("md5", func(b []byte) []byte { d := md5.Sum(b); return d[:] }),
		digest("crypto_md5", func(b []byte) []byte { d := md5.Sum(b); return d[:] }),
		digest("sha1", func(b []byte) []byte { d := sha1.Sum(b); return d[:] }),
		digest("crypto_sha1", func(b []byte) []byte { d := sha1.Sum(b); return d[:] }),
		digest("sha224", func(b []byte) []byte { d := sha256.Sum224(b); return d[:] }),
		digest("sha256", sum256),
		digest("crypto_sha256", sum256),
		digest("sha384", sum384),
		digest("crypto_sha384", sum384),
		digest("sha512", sum512),
		digest("crypto_sha512", sum512),
		digest("sha512_224", func(b []byte) []byte { d := sha512.Sum512_224(b); return d[:] }),
		digest("sha512_256", func(b []byte) []byte { d := sha512.Sum512_256(b); return d[:] }),
		{Name: "sha3", NArgs: []int{1, 2}, Fn: sqlfunc.Strict(sum3)},
		checksum("crc32", crc32.IEEETable),
		checksum("crc32c", crc32.MakeTable(crc32.Castagnoli)),
	})
}

func sum256(b []byte) []byte { d := sha256.Sum256(b); return d[:] }
func sum384(b []byte) []byte { d := sha512.Sum384(b); return d[:] }
func sum512(b []byte) []byte { d := sha512.Sum512(b); return d[:] }

func digest(name string, sum func([]byte) []byte) sqlfunc.Scalar {
	return sqlfunc.Scalar{Name: name, NArgs: []int{1}, Fn: sqlfunc.Strict(
		func(ctx *engine.FuncContext, args []engine.Value) error {
			ctx.ResultBlob(sum(args[0].Raw()))
			return nil
		})}
}

func checksum(name string, table *crc32.Table) sqlfunc.Scalar {
	return sqlfunc.Scalar{Name: name, NArgs: []int{1}, Fn: sqlfunc.Strict(
		func(ctx *engine.FuncContext, args []engine.Value) error {
			ctx.ResultInt64(int64(crc32.Checksum(args[0].Raw(), table)))
			return nil
		})}
}

func sum3(ctx *engine.FuncContext, args []engine.Value) error {
	size := int64(256)
	if len(args) > 1 {
		size = args[1].Int64()
	}
	var h *sha3.SHA3
	switch size {
	case 224:
		h = sha3.New224()
	case 256:
		h = sha3.New256()
	case 384:
		h = sha3.New384()
	case 512:
		h = sha3.New512()
	default:
		return fmt.Errorf("sha3: size %d is none of 224, 256, 384 and 512", size)
	}
	h.Write(args[0].Raw())
	ctx.ResultBlob(h.Sum(nil))
	return nil
}
