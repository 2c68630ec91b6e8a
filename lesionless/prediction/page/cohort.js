const sort = sortable($("scans"));
sort(location.hash.slice(1), -1);
