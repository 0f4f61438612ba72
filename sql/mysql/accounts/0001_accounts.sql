-- Times are Unix milliseconds. Every statement may run twice: MySQL cannot roll a CREATE TABLE back.
CREATE TABLE IF NOT EXISTS users (
    id CHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    email_key VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    is_admin BIGINT NOT NULL,
    is_disabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE KEY users_email_key (email_key)
) ENGINE = InnoDB;

-- retires_at 0: not replaced yet.
CREATE TABLE IF NOT EXISTS signing_keys (
    generation BIGINT NOT NULL PRIMARY KEY,
    kid VARCHAR(43) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pem VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at BIGINT NOT NULL,
    activates_at BIGINT NOT NULL,
    retires_at BIGINT NOT NULL,
    UNIQUE KEY signing_keys_kid (kid)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS login_throttle (
    subject CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    window_started_at BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    KEY login_throttle_updated_at (updated_at)
) ENGINE = InnoDB;
