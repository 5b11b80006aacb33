<?php
// Takes away all that is kept of somebody: settings, addresses and what they wrote in for mail to come. `remove.php NAME`

define('INSTALL_PATH', '/var/lib/roundcube/');
require INSTALL_PATH . 'program/include/iniset.php';
$database = rcmail_utils::db();
// What refers to a row goes with it.
$database->query('DELETE FROM users WHERE username = ?', $argv[1]);
exit($database->is_error() ? 1 : 0);
