// Package gorm_test runs a small application written with gorm.io/gorm over every
// mode of floe.
package gorm_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/internal/modes"
)

type author struct {
	ID        int64
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt `gorm:"index"`
	Name      string         `gorm:"not null;uniqueIndex"`
	Born      *time.Time
	Living    bool
	Books     []book
	Genres    []genre `gorm:"many2many:author_genres"`
}

type book struct {
	ID       int64
	AuthorID int64 `gorm:"not null;uniqueIndex:title_of_author"`
	Author   *author
	Title    string `gorm:"not null;uniqueIndex:title_of_author"`
	Subtitle *string
	Cover    []byte
	Sold     int64
	Price    float64
}

type genre struct {
	ID   int64
	Name string `gorm:"unique"`
}

func open(t *testing.T, dsn string, models ...any) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "floe", DSN: dsn}), &gorm.Config{
		TranslateError: true,
		Logger:         logger.Discard,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		sqldb, err := db.DB()
		if err == nil {
			err = sqldb.Close()
		}
		if err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := db.AutoMigrate(models...); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return db.WithContext(t.Context())
}

func openLibrary(t *testing.T, dsn string) *gorm.DB {
	t.Helper()
	return open(t, dsn, &author{}, &book{}, &genre{})
}

func addAuthor(t *testing.T, db *gorm.DB) author {
	t.Helper()
	born, subtitle := time.Date(1914, 8, 9, 6, 30, 0, 123456789, time.UTC), "A Novel"
	now := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	a := author{
		CreatedAt: now, UpdatedAt: now, Name: "Tove Jansson", Born: &born,
		Books: []book{
			{Title: "Comet in Moominland", Cover: []byte{0, 1, 255}, Sold: math.MaxInt64, Price: 0.1},
			{Title: "The Summer Book", Subtitle: &subtitle, Cover: []byte{}, Sold: math.MinInt64},
		},
		Genres: []genre{{Name: "children"}, {Name: "comics"}},
	}
	if err := db.Create(&a).Error; err != nil {
		t.Fatalf("create: %v", err)
	}
	return a
}

func readAuthor(db *gorm.DB, name string) (a author, err error) {
	err = db.Preload("Books", func(db *gorm.DB) *gorm.DB { return db.Order("title") }).
		Preload("Genres").Take(&a, "name = ?", name).Error
	return a, err
}

func TestWhatIsCreatedIsRead(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		want := addAuthor(t, db)
		got, err := readAuthor(db, want.Name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("author: %v (-want +got):\n%s", err, diff)
		}
		var b book
		if err := db.Joins("Author").Take(&b, "books.title = ?", want.Books[1].Title).Error; err != nil {
			t.Fatalf("book with its author: %v", err)
		}
		want.Books, want.Genres = nil, nil
		if diff := cmp.Diff(&want, b.Author); diff != "" {
			t.Errorf("author of the book (-want +got):\n%s", diff)
		}
	})
}

func TestUpdateAndDeleteCountRows(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		a := addAuthor(t, db)
		res := db.Model(&a).Updates(map[string]any{"living": true, "born": nil})
		if res.Error != nil || res.RowsAffected != 1 {
			t.Errorf("update changed %d rows (%v), want 1", res.RowsAffected, res.Error)
		}
		got, err := readAuthor(db, a.Name)
		if err != nil || !got.Living || got.Born != nil || !got.UpdatedAt.After(a.CreatedAt) {
			t.Errorf("author is %+v (%v), want a living one, updated, without a birthday", got, err)
		}
		if res := db.Delete(&a); res.Error != nil || res.RowsAffected != 1 {
			t.Errorf("delete changed %d rows (%v), want 1", res.RowsAffected, res.Error)
		}
		if _, err := readAuthor(db, a.Name); !errors.Is(err, gorm.ErrRecordNotFound) {
			t.Errorf("author after delete: %v, want %v", err, gorm.ErrRecordNotFound)
		}
		if got, err := readAuthor(db.Unscoped(), a.Name); err != nil || !got.DeletedAt.Valid {
			t.Errorf("softly deleted author is %+v (%v), want the time of deletion", got, err)
		}
	})
}

func TestUpsertAndReturning(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		a := addAuthor(t, db)
		sell := clause.OnConflict{
			Columns:   []clause.Column{{Name: "author_id"}, {Name: "title"}},
			DoUpdates: clause.Assignments(map[string]any{"sold": gorm.Expr("sold + excluded.sold")}),
		}
		for _, want := range []int64{5, 10} {
			b := book{AuthorID: a.ID, Title: "Moominpappa at Sea", Sold: 5}
			if err := db.Clauses(sell, clause.Returning{}).Create(&b).Error; err != nil || b.Sold != want {
				t.Errorf("sold %d (%v), want %d", b.Sold, err, want)
			}
		}
		var updated []book
		err := db.Model(&updated).Clauses(clause.Returning{Columns: []clause.Column{{Name: "title"}, {Name: "sold"}}}).
			Where("sold = 10").Update("sold", gorm.Expr("sold + 1")).Error
		want := []book{{Title: "Moominpappa at Sea", Sold: 11}}
		if diff := cmp.Diff(want, updated); err != nil || diff != "" {
			t.Errorf("updated: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestManyRowsInBatches(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		a := addAuthor(t, db)
		books := make([]book, 1000)
		for i := range books {
			books[i] = book{AuthorID: a.ID, Title: fmt.Sprintf("volume %04d", i), Sold: int64(i)}
		}
		if err := db.CreateInBatches(&books, 300).Error; err != nil {
			t.Fatalf("create in batches: %v", err)
		}
		var got []book
		read := 0
		err := db.Where("title LIKE 'volume%'").FindInBatches(&got, 400, func(*gorm.DB, int) error {
			if diff := cmp.Diff(books[read:read+len(got)], got); diff != "" {
				t.Errorf("batch (-want +got):\n%s", diff)
			}
			read += len(got)
			return nil
		}).Error
		if err != nil || read != len(books) {
			t.Errorf("read %d books (%v), want %d", read, err, len(books))
		}
	})
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	errNo := errors.New("no")
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		inTx := func(name string, end error) {
			err := db.Transaction(func(tx *gorm.DB) error {
				if err := tx.Create(&author{Name: name}).Error; err != nil {
					return err
				}
				if _, err := readAuthor(tx, name); err != nil {
					t.Errorf("the transaction reads its own row: %v", err)
				}
				// GORM makes a transaction in a transaction a savepoint.
				err := tx.Transaction(func(tx *gorm.DB) error {
					if err := tx.Where("TRUE").Delete(&author{}).Error; err != nil {
						return err
					}
					return errNo
				})
				if !errors.Is(err, errNo) {
					t.Errorf("savepoint: %v, want %v", err, errNo)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Errorf("transaction: %v, want %v", err, end)
			}
		}
		inTx("kept", nil)
		inTx("dropped", errNo)
		var names []string
		err := db.Model(&author{}).Pluck("name", &names).Error
		if diff := cmp.Diff([]string{"kept"}, names); err != nil || diff != "" {
			t.Errorf("authors: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestViolatedConstraintsAreSeenAsSuch(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		db := openLibrary(t, dsn)
		a := addAuthor(t, db)
		if err := db.Create(&author{Name: a.Name}).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
			t.Errorf("second author of that name: %v, want %v", err, gorm.ErrDuplicatedKey)
		}
		if err := db.Create(&book{AuthorID: 99, Title: "x"}).Error; !errors.Is(err, gorm.ErrForeignKeyViolated) {
			t.Errorf("book of no author: %v, want %v", err, gorm.ErrForeignKeyViolated)
		}
		asTheyAre := db.Session(&gorm.Session{})
		asTheyAre.Config.TranslateError = false
		if err := asTheyAre.Create(&author{Name: a.Name}).Error; !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("second author of that name: %v, want %v", err, engine.ConstraintUnique)
		}
	})
}

func TestAutoMigrateChangesTablesAndKeepsRows(t *testing.T) {
	type shelf struct {
		ID    int64
		Label string
		Rows  int
	}
	type longShelf struct {
		ID     int64
		Label  string `gorm:"not null;default:none;size:40"`
		Rows   int64  `gorm:"index"`
		Bought time.Time
	}
	modes.Run(t, func(t *testing.T, dsn string) {
		db := open(t, dsn, &shelf{})
		if err := db.Create(&shelf{Label: "A", Rows: 3}).Error; err != nil {
			t.Fatalf("create: %v", err)
		}
		shelves := db.Table("shelves")
		for range 2 { // the second time there is nothing to do
			if err := shelves.AutoMigrate(&longShelf{}); err != nil {
				t.Fatalf("migrate: %v", err)
			}
		}
		var got longShelf
		if err := shelves.Take(&got).Error; err != nil || got != (longShelf{ID: 1, Label: "A", Rows: 3}) {
			t.Errorf("shelf is %+v (%v), want number 1 with label A and 3 rows", got, err)
		}
		columns, err := shelves.Migrator().ColumnTypes(&longShelf{})
		if err != nil {
			t.Fatalf("column types: %v", err)
		}
		types := map[string]string{}
		for _, c := range columns {
			types[c.Name()] = c.DatabaseTypeName()
		}
		want := map[string]string{"id": "integer", "label": "text", "rows": "integer", "bought": "datetime"}
		if diff := cmp.Diff(want, types); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
		if !shelves.Migrator().HasIndex(&longShelf{}, "Rows") {
			t.Error("there is no index of rows")
		}
		if err := shelves.Migrator().DropColumn(&longShelf{}, "bought"); err != nil {
			t.Errorf("drop column: %v", err)
		}
	})
}

func TestPreparedStatementsOfADatabaseThatIsOpen(t *testing.T) {
	const writers, each = 4, 10
	modes.RunDB(t, func(t *testing.T, sqldb *sql.DB) {
		db, err := gorm.Open(sqlite.New(sqlite.Config{Conn: sqldb}), &gorm.Config{PrepareStmt: true, Logger: logger.Discard})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if err := db.AutoMigrate(&genre{}); err != nil {
			t.Fatalf("migrate: %v", err)
		}
		var wait sync.WaitGroup
		for w := range writers {
			wait.Go(func() {
				for i := range each {
					g, back := genre{Name: fmt.Sprintf("%d of writer %d", i, w)}, genre{}
					err := db.WithContext(t.Context()).Create(&g).Error
					if err == nil {
						err = db.WithContext(t.Context()).Take(&back, g.ID).Error
					}
					if err != nil || back != g {
						t.Errorf("read back %+v (%v), want %+v", back, err, g)
					}
				}
			})
		}
		wait.Wait()
		var n int64
		if err := db.Model(&genre{}).Count(&n).Error; err != nil || n != writers*each {
			t.Errorf("there are %d genres (%v), want %d", n, err, writers*each)
		}
	})
}
