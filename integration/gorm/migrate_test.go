package gorm_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/floedb/floe/integration/internal/modes"
)

// everyType is a table with what GORM compares to decide whether it has to be made
// anew: types, sizes, precisions, NOT NULL, defaults.
type everyType struct {
	ID         uint64
	Plain      string
	Sized      string  `gorm:"size:255"`
	SizedTwice string  `gorm:"size:100;not null;default:x"`
	Char       string  `gorm:"type:varchar(20)"`
	CharSized  string  `gorm:"type:varchar(20);size:20"`
	CharSpaced string  `gorm:"type:varchar( 20 )"`
	Fixed      string  `gorm:"type:CHAR(10);not null"`
	Text       string  `gorm:"type:text;size:1000"`
	Long       *string `gorm:"type:longtext"`
	Bytes      []byte
	BytesSized []byte  `gorm:"size:64"`
	Blob       []byte  `gorm:"type:blob;size:2000;not null"`
	Small      int8    `gorm:"not null"`
	Big        *int64  `gorm:"size:64;default:7"`
	Typed      int     `gorm:"type:bigint;size:16"`
	Real       float32 `gorm:"precision:8;scale:2"`
	Double     float64 `gorm:"type:double precision"`
	Money      string  `gorm:"type:decimal(10,2)"`
	MoneySpace string  `gorm:"type:decimal(10, 2)"`
	MoneyTag   string  `gorm:"type:decimal(10,2);precision:10;scale:2;not null;default:0"`
	Whole      string  `gorm:"type:numeric(5)"`
	NumSpace   string  `gorm:"type:numeric( 5 , 2 )"`
	Dec        string  `gorm:"type:dec(10,0)"`
	Numeric    float64 `gorm:"type:numeric"`
	Decimal    float64 `gorm:"type:DECIMAL"`
	Number     string  `gorm:"type:number(10,0)"`
	Yes        bool    `gorm:"not null;default:true"`
	Perhaps    sql.NullBool
	At         time.Time `gorm:"precision:6"`
	Day        time.Time `gorm:"type:date;not null"`
	Stamp      time.Time `gorm:"type:timestamp(3)"`
	Zone       time.Time `gorm:"type:timestamp with time zone"`
	JSON       string    `gorm:"type:json"`
	UUID       string    `gorm:"type:uuid;size:36;uniqueIndex"`
	Any        string    `gorm:"type:any"`
	DeletedAt  gorm.DeletedAt
}

// statements takes down what GORM runs.
type statements struct {
	logger.Interface
	mu  sync.Mutex
	ran []string
}

func (s *statements) Trace(_ context.Context, _ time.Time, f func() (string, int64), _ error) {
	text, _ := f()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran = append(s.ran, text)
}

func schemaOf(t *testing.T, db *gorm.DB) (rows []string) {
	t.Helper()
	if err := db.Raw("SELECT name || ' ' || rootpage || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name").Scan(&rows).Error; err != nil {
		t.Fatalf("schema: %v", err)
	}
	return rows
}

// GORM makes a table anew if a column is not what its model says, which writes each
// row again: on a server, into its log.
func TestASecondAutoMigrateLeavesTheTableAlone(t *testing.T) {
	models := []any{&everyType{}, &author{}, &book{}, &genre{}}
	modes.Run(t, func(t *testing.T, dsn string) {
		db := open(t, dsn, models...)
		row := everyType{Plain: "a", Bytes: []byte{1}, Blob: []byte{2}, Money: "1.50", Day: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), UUID: "u"}
		if err := db.Create(&row).Error; err != nil {
			t.Fatalf("create: %v", err)
		}
		before := schemaOf(t, db)
		for range 2 {
			log := &statements{Interface: logger.Discard}
			again, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "floe", DSN: dsn}), &gorm.Config{Logger: log})
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			if err := again.AutoMigrate(models...); err != nil {
				t.Fatalf("migrate again: %v", err)
			}
			for _, text := range log.ran {
				if word, _, _ := strings.Cut(text, " "); word != "SELECT" && word != "PRAGMA" {
					t.Errorf("the second AutoMigrate ran %s", text)
				}
			}
			sqldb, err := again.DB()
			if err != nil {
				t.Fatal(err)
			}
			if err := sqldb.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if diff := cmp.Diff(before, schemaOf(t, db)); diff != "" {
			t.Errorf("schema (-before +after):\n%s", diff)
		}
	})
}
