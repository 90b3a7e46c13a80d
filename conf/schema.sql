-- Sluice's tables: MariaDB 10.6 or newer, MySQL 8.0 or newer.
-- Applied by `sluice-ctl schema apply`, by the flusher with mysql.create_schema = true, or by hand
-- with the mysql client. Every statement may be run again.
--
-- Add columns and indexes of your own freely, as long as Sluice's INSERTs, which name their
-- columns, still succeed; each index on orders costs drain speed. All times are UTC.

-- One row an accepted purchase. Sluice inserts it as 'placed' and turns it into 'paid', 'cancelled' or
-- 'expired' (not paid within its item's HOLD). The first two count as sold.
CREATE TABLE IF NOT EXISTS `orders` (
  order_id   BIGINT UNSIGNED NOT NULL,
  item_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  quantity   INT UNSIGNED NOT NULL,
  status     ENUM('placed', 'paid', 'cancelled', 'expired') NOT NULL DEFAULT 'placed',
  request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  fields     JSON NULL,
  PRIMARY KEY (order_id),
  KEY item_user (item_id, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- One row an item. stock: given in all (CREATE and every RESTOCK); sold: the sum of quantity of the
-- item's orders that are placed or paid, true after every commit; remaining is stock - sold.
-- limit_per_user, hold_ms 0: none; start_at, end_at NULL: none. state_at, settings_at: when the state,
-- or those four, were decided; of two proxies that close and reopen or change an item the later one
-- counts, in whatever order their journals are drained.
CREATE TABLE IF NOT EXISTS items (
  item_id        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stock          BIGINT NOT NULL DEFAULT 0,
  sold           BIGINT NOT NULL DEFAULT 0,
  limit_per_user INT UNSIGNED NOT NULL DEFAULT 0,
  start_at       DATETIME(3) NULL,
  end_at         DATETIME(3) NULL,
  hold_ms        BIGINT NOT NULL DEFAULT 0,
  settings_at    DATETIME(3) NULL,
  state          ENUM('open', 'closed') NOT NULL DEFAULT 'open',
  state_at       DATETIME(3) NULL,
  updated_at     DATETIME(3) NOT NULL,
  PRIMARY KEY (item_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- One row a journal and writer: every record of that writer with a sequence below position is in
-- this database. Changes only in the transaction that inserts the rows it covers. writers: how many
-- there are, and in the thousands in which way orders are spread over them. owner: a random number
-- of the flusher run that started last; an older one finds it changed and stops. fingerprint: of all
-- records of the journal below position, so that another history of it is told from this one.
CREATE TABLE IF NOT EXISTS sluice_checkpoint (
  journal_id  BIGINT UNSIGNED NOT NULL,
  writer      SMALLINT UNSIGNED NOT NULL,
  writers     SMALLINT UNSIGNED NOT NULL,
  position    BIGINT UNSIGNED NOT NULL,
  fingerprint BIGINT UNSIGNED NOT NULL,
  owner       BIGINT UNSIGNED NOT NULL,
  updated_at  DATETIME(3) NOT NULL,
  PRIMARY KEY (journal_id, writer)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- One row a journal: which proxy writes it, on which host its flusher started last, and the random
-- number of that proxy's last start that the flusher has seen. A proxy_id belongs to one journal at a
-- time; one that will never come back is retired, which sets its proxy_id free.
CREATE TABLE IF NOT EXISTS sluice_journal (
  journal_id    BIGINT UNSIGNED NOT NULL,
  proxy_id      SMALLINT UNSIGNED NOT NULL,
  shelves       SMALLINT UNSIGNED NOT NULL,
  host          VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  incarnation   BIGINT UNSIGNED NOT NULL,
  retired       BOOLEAN NOT NULL DEFAULT 0,
  live_proxy_id SMALLINT UNSIGNED AS (IF(retired, NULL, proxy_id)) VIRTUAL,
  created_at    DATETIME(3) NOT NULL,
  updated_at    DATETIME(3) NOT NULL,
  PRIMARY KEY (journal_id),
  UNIQUE KEY live_proxy_id (live_proxy_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- The orders that this database refused, each with the reason and everything that is known of it,
-- until `POST /dlq/retry` puts them in. status, changed_at: what became of the order meanwhile.
CREATE TABLE IF NOT EXISTS sluice_dead_letter (
  journal_id   BIGINT UNSIGNED NOT NULL,
  sequence     BIGINT UNSIGNED NOT NULL,
  order_id     BIGINT UNSIGNED NOT NULL,
  item_id      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  error_code   INT UNSIGNED NOT NULL,
  error        VARCHAR(1024) NOT NULL,
  record       JSON NOT NULL,
  status       ENUM('placed', 'paid', 'cancelled', 'expired') NOT NULL DEFAULT 'placed',
  changed_at   DATETIME(3) NULL,
  created_at   DATETIME(3) NOT NULL,
  PRIMARY KEY (journal_id, sequence),
  KEY order_id (order_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- Of items that were deleted: the units of their orders that are not cancelled, until an item is made
-- anew under the name, whose row begins with them.
CREATE TABLE IF NOT EXISTS sluice_deleted_item (
  item_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  units   BIGINT NOT NULL,
  PRIMARY KEY (item_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;

-- What was drained before its order: the buyer paid or cancelled through one proxy what he had bought
-- through another, whose journal comes later. The order takes its row out again; one of another item
-- or user under the same number is not meant.
CREATE TABLE IF NOT EXISTS sluice_early_change (
  order_id     BIGINT UNSIGNED NOT NULL,
  item_id      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status       ENUM('paid', 'cancelled', 'expired') NOT NULL,
  changed_at   DATETIME(3) NOT NULL,
  PRIMARY KEY (order_id, item_id, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;
