<?php
// Before the first request: the key, the folders, and tables as this version has them.

const FOLDER = '/var/cache/webmail';

if (!is_file(FOLDER . '/key')) {
    file_put_contents(FOLDER . '/key.new', base64_encode(random_bytes(24)));
    rename(FOLDER . '/key.new', FOLDER . '/key');
}
foreach (['/files', '/sessions'] as $folder) {
    if (!is_dir(FOLDER . $folder)) {
        mkdir(FOLDER . $folder);
    }
}

define('INSTALL_PATH', '/var/lib/roundcube/');
require INSTALL_PATH . 'program/include/iniset.php';
// An empty file gets its tables when it is opened.
if (!rcmail_utils::db_update(INSTALL_PATH . 'SQL', 'roundcube')) {
    exit(1);
}
