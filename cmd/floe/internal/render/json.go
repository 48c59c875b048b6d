package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// jsonRows writes one JSON object, row by row.
type jsonRows struct {
	w    io.Writer
	rows int64
	buf  []byte
}

func (j *jsonRows) Begin(columns []string) error {
	names, err := encode(columns)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, `{"columns":%s,"rows":[`, names)
	return err
}

func (j *jsonRows) Row(values []any) error {
	j.buf = j.buf[:0]
	if j.rows > 0 {
		j.buf = append(j.buf, ',')
	}
	j.rows++
	j.buf = append(j.buf, '[')
	for i, v := range values {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		b, err := encode(jsonValue(v))
		if err != nil {
			return err
		}
		j.buf = append(j.buf, b...)
	}
	_, err := j.w.Write(append(j.buf, ']'))
	return err
}

func (j *jsonRows) End(changes int64, _ bool) error {
	_, err := fmt.Fprintf(j.w, "],\"changes\":%d}\n", changes)
	return err
}

// blobValue is a blob in JSON.
type blobValue struct {
	Base64 string `json:"base64"`
}

// jsonValue gives what stands for a value in JSON. A real number stays one that readers can tell from an integer.
func jsonValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return blobValue{base64.StdEncoding.EncodeToString(v)}
	case float64:
		if math.IsInf(v, 0) {
			return infinityText(v)
		}
		return json.RawMessage(realText(v))
	}
	return v
}

// encode gives v as JSON without escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
